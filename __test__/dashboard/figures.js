'use strict';

/* Measures the commands that a dashboard adds: `node __test__/dashboard/figures.js [seconds]`. */

const { setTimeout: sleep } = require('node:timers/promises');
const { createDashboard } = require('../../dashboard.js');
const { ConnectionManager } = require('../../index.js');
const { keys } = require('../support/keys.js');
const { RedisServer } = require('../support/redis-server.js');

/** Adds streams with two groups each; each group has a consumer, a pending entry and a waiting entry. */
async function fill(redis, count) {
  for (let at = 0; at < count; at++) {
    const stream = keys.stream(`stream-${at}`);
    for (const name of ['one', 'two']) {
      await redis.call('XGROUP', 'CREATE', stream, keys.group(name), '0', 'MKSTREAM');
    }
    for (const job of ['a', 'b']) await redis.call('XADD', stream, '*', 'prd', 'p', 'job', job);
    for (const name of ['one', 'two']) {
      await redis.call('XREADGROUP', 'GROUP', keys.group(name), 'consumer', 'COUNT', '1', 'STREAMS', stream, '>');
    }
  }
}

async function statsOf(redis) {
  const info = await redis.call('INFO', 'all');
  const commands = [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm)];
  const counted = commands.filter(([, name]) => name !== 'info' && name !== 'config|resetstat');
  return {
    calls: counted.reduce((sum, [, , calls]) => sum + Number(calls), 0),
    usec: counted.reduce((sum, [, , , usec]) => sum + Number(usec), 0),
    bytes: Number(/total_net_output_bytes:(\d+)/.exec(info)[1]),
    names: counted.map(([, name, calls]) => `${name} ${calls}`).join(', '),
  };
}

async function measure(redis, seconds) {
  await redis.call('CONFIG', 'RESETSTAT');
  await sleep(seconds * 1000);
  const { calls, usec, bytes, names } = await statsOf(redis);
  const perSecond = (value) => (value / seconds).toFixed(1);
  return `${perSecond(calls)} commands, ${perSecond(usec)} µs of Redis and ${perSecond(bytes / 1024)} KiB per s (${names})`;
}

async function main(seconds) {
  for (const count of [1, 50, 1000]) {
    const redis = await RedisServer.start();
    await fill(redis, count);
    const connection = ConnectionManager.standalone(redis.options);
    const dashboard = createDashboard(connection, { public: true });
    const get = (path) => dashboard.fetch(new Request(`http://host/${path}`));
    await get('api/overview');
    const bodies = [];
    const open = async (path) => {
      const body = (await get(path)).body.getReader();
      bodies.push(body);
      (async () => {
        while (!(await body.read()).done);
      })();
    };
    await open('live/overview');
    await sleep(3000);
    console.log(`${count} streams, overview: ${await measure(redis, seconds)}`);
    await open('live/group?stream=stream-0&group=one');
    console.log(`${count} streams, overview and a group: ${await measure(redis, seconds)}`);
    for (const body of bodies) await body.cancel();
    await sleep(18_000);
    console.log(`${count} streams, no page open: ${await measure(redis, 5)}`);
    await dashboard.close();
    await connection.stop({ force: true });
    redis.kill();
  }
}

main(Number(process.argv[2] ?? 20)).then(() => process.exit(0));
