'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { createDashboard } = require('../../dashboard.js');
const { ConnectionManager } = require('../../index.js');
const { Poller } = require('../../src/dashboard/server/poller.js');
const documents = require('../package/documents.js');
const { keys } = require('../support/keys.js');
const { RedisServer } = require('../support/redis-server.js');
const { stays, until } = require('../support/wait-until.js');
const { unhealthyBus } = require('./unhealthy-bus.js');

const PATIENCE = { timeout: 30_000 };
/** Rights of a dashboard without actions, as its document has them. */
const [, RULES] = /^<!-- dashboard rights -->\n\n```text\n([^#]*)/m.exec(documents.read('docs/dashboard.md'));
const READS = RULES.split(/\s/).filter((word) => word.startsWith('+'));

async function server(t) {
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  return redis;
}

function open(t, redis, options) {
  const connection = ConnectionManager.standalone(redis.options);
  const dashboard = createDashboard(connection, { public: true, interval: 500, ...options });
  t.after(async () => {
    await dashboard.close();
    await connection.stop({ force: true });
  });
  const get = (path) => dashboard.fetch(new Request(`http://host/${path}`));
  return { get, read: async (path) => (await (await get(`api/${path}`)).json()).data };
}

/** Resolves with the number of calls of each command since the last reset. */
async function callsOf(redis) {
  const lines = (await redis.call('INFO', 'commandstats')).split('\r\n');
  const found = lines.map((line) => /^cmdstat_([^:]+):calls=(\d+)/.exec(line)).filter(Boolean);
  return new Map(found.map(([, name, calls]) => [name.replace('|', ' '), Number(calls)]));
}

describe('a dashboard', () => {
  it('asks Redis as often for a hundred readers as for one, and with bounded reads only', async (t) => {
    const redis = await server(t);
    const bus = await unhealthyBus(redis);
    await bus.stop();
    const { get, read } = open(t, redis);
    await until(async () => (await read('overview')).rows.length >= 4, PATIENCE);
    const count = async (readers) => {
      const bodies = [];
      for (let at = 0; at < readers; at++) bodies.push((await get('live/overview')).body.getReader());
      await redis.call('CONFIG', 'RESETSTAT');
      const start = performance.now();
      const read = async (body) => {
        for (let events = 0; events < 5; events++) await body.read();
      };
      await Promise.all(bodies.map(read));
      const seconds = (performance.now() - start) / 1000;
      const calls = await callsOf(redis);
      for (const body of bodies) await body.cancel();
      for (const name of ['info', 'config resetstat', 'config']) calls.delete(name);
      assert.ok(!calls.has('keys'), 'KEYS');
      return [...calls.values()].reduce((sum, number) => sum + number, 0) / seconds;
    };
    const one = await count(1);
    const many = await count(100);
    t.diagnostic(`${one.toFixed(1)} commands per s with one reader, ${many.toFixed(1)} with a hundred`);
    assert.ok(many < one * 2 + 20, `${one} and ${many}`);
  });

  it('shares the search for a job and the reading of dead letters', async (t) => {
    const redis = await server(t);
    const bus = await unhealthyBus(redis);
    await bus.stop();
    const { read } = open(t, redis);
    await until(async () => (await read('overview')).rows.length >= 4, PATIENCE);
    const ranges = async (path, readers) => {
      await redis.call('CONFIG', 'RESETSTAT');
      await Promise.all(Array.from({ length: readers }, () => read(path)));
      return (await callsOf(redis)).get('xrevrange');
    };
    const [one, many] = [await ranges('job?id=held', 1), await ranges('job?id=late', 100)];
    assert.strictEqual(many, one);
    assert.strictEqual(await ranges('letters?stream=letters', 100), 1);
  });

  it('stops to ask when nobody looks', async (t) => {
    let polls = 0;
    const poller = new Poller([{ poll: async () => polls++ }], 10, 100);
    t.after(() => poller.close());
    const stop = poller.subscribe(() => {});
    await poller.look();
    await until(() => polls > 20, PATIENCE);
    stop();
    await until(() => !poller.isRunning, PATIENCE);
    const before = polls;
    await stays(() => polls === before, 100);
    await poller.look();
    assert.ok(polls > before);
  });

  it('needs a user with reads only', async (t) => {
    const redis = await server(t);
    const bus = await unhealthyBus(redis);
    await bus.stop();
    await redis.call('ACL', 'SETUSER', 'reader', 'on', '>secret', '~hfxbus:*', 'resetchannels', 'nocommands', ...READS);
    const weak = { options: { ...redis.options, username: 'reader', password: 'secret' } };
    const { get, read } = open(t, weak, { payloads: true });
    const { rows } = await until(async () => {
      const found = await read('overview');
      return found.rows.length >= 4 && found;
    }, PATIENCE);
    assert.ok(rows.some(({ reasons }) => reasons.includes('no consumers')));
    const node = encodeURIComponent(`127.0.0.1:${redis.port}`);
    const pages = ['stream?stream=mails', 'group?stream=mails&group=mailer', 'job?id=held', 'nodes', 'letter-streams'];
    for (const page of [...pages, 'letters?stream=letters', 'find?q=held', `payload?job=held&key=to&node=${node}`]) {
      assert.strictEqual((await get(`api/${page}`)).status, 200, page);
    }
    assert.deepStrictEqual(await redis.call('ACL', 'LOG'), []);
  });

  it('tells the missing right of a user without SCAN', async (t) => {
    const redis = await server(t);
    await redis.call('XADD', keys.stream('mails'), '*', 'prd', 'p', 'job', 'one');
    await redis.call('ACL', 'SETUSER', 'blind', 'on', '>secret', '~hfxbus:*', 'nocommands', ...READS, '-scan');
    const weak = { options: { ...redis.options, username: 'blind', password: 'secret' } };
    const { search } = await until(async () => {
      const found = await open(t, weak).read('overview');
      return found.search.reason !== null && found;
    }, PATIENCE);
    assert.match(search.reason, /NOPERM|permission/);
    const { rows } = await open(t, weak, { streams: ['mails'] }).read('overview');
    assert.deepStrictEqual(
      rows.map(({ stream }) => stream),
      ['mails'],
    );
  });

  it('reads large entries rarely', async (t) => {
    const redis = await server(t);
    const value = 'x'.repeat(2 ** 20);
    await redis.call('XGROUP', 'CREATE', keys.stream('large'), keys.group('g'), '0', 'MKSTREAM');
    for (const job of ['one', 'two'])
      await redis.call('XADD', keys.stream('large'), '*', 'prd', 'p', 'job', job, 'val:file', value);
    const { get, read } = open(t, redis);
    await until(async () => (await read('overview')).rows.length === 1, PATIENCE);
    const sent = async () => Number(/total_net_output_bytes:(\d+)/.exec(await redis.call('INFO', 'stats'))[1]);
    const before = await sent();
    const body = (await get('live/stream?stream=large')).body.getReader();
    for (let events = 0; events < 6; events++) await body.read();
    await body.cancel();
    const grown = (await sent()) - before;
    assert.ok(grown < 200_000, `${grown} bytes in 5 polls`);
    await redis.call('XADD', keys.stream('large'), '*', 'prd', 'p', 'job', 'three');
    const row = await until(async () => (await read('overview')).rows.find(({ length }) => length === 3), PATIENCE);
    assert.ok(row.lag === 3 || row.lag === null, `${row.lag}`);
    const job = await (await get('api/job?id=two')).text();
    assert.ok(job.length < 2000 && JSON.parse(job).data.entries.length === 1, `${job.length} bytes`);
  });

  it('shows ten thousand streams within the limits of a poll and of a page', async (t) => {
    const redis = await server(t);
    const count = 10_000;
    for (let at = 0; at < count; at += 1000) {
      const some = Array.from({ length: 1000 }, (_, index) => String(at + index).padStart(5, '0'));
      await Promise.all(
        some.map((name) => redis.call('XGROUP', 'CREATE', keys.stream(name), keys.group('g'), '0', 'MKSTREAM')),
      );
    }
    await redis.call('XADD', keys.stream('09999'), '*', 'prd', 'p', 'job', 'one');
    const { get, read } = open(t, redis);
    await until(async () => (await read('overview')).search.isComplete, PATIENCE);
    const body = (await get('live/overview')).body.getReader();
    await body.read();
    await redis.call('CONFIG', 'RESETSTAT');
    const start = performance.now();
    for (let events = 0; events < 4; events++) await body.read();
    await body.cancel();
    const calls = [...(await callsOf(redis)).values()].reduce((sum, number) => sum + number, 0);
    const polls = Math.ceil((performance.now() - start) / 500) + 1;
    assert.ok(calls / polls < 1100, `${calls} commands in ${polls} polls`);
    // A page that names a stream has it polled first.
    const { rows: groups } = await until(
      async () => (await get('api/stream?stream=09999')).status === 200 && read('stream?stream=09999'),
      {
        timeout: 60_000,
      },
    );
    assert.strictEqual(groups[0].state, 'problem');
    const text = await (await get('api/overview')).text();
    assert.ok(text.length < 200_000 && JSON.parse(text).data.rows.length === 100, `${text.length} bytes`);
  });
});
