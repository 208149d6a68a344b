'use strict';

const { RawClient } = require('../support/raw-client.js');
const { EmbeddedRedis } = require('../../testing.js');

/** Measures the start time of a server and the memory of an empty one. By hand, on an idle machine. */

const STARTS = 50;
const SERVERS = 500;

async function main() {
  const first = await startOne();
  const times = [];
  for (let at = 0; at < STARTS; at++) times.push(await startOne());
  times.sort((one, other) => one - other);
  const middle = times[STARTS / 2].toFixed(2);
  console.log(
    `start and first reply: ${first.toFixed(1)} ms the first time, then ${middle} ms (${times[0].toFixed(2)}-${times.at(-1).toFixed(2)})`,
  );

  global.gc?.();
  const before = process.memoryUsage().rss;
  const servers = await Promise.all(Array.from({ length: SERVERS }, () => EmbeddedRedis.start()));
  const each = (process.memoryUsage().rss - before) / SERVERS;
  console.log(`an empty server: ${(each / 1024).toFixed(1)} KiB`);
  await Promise.all(servers.map((server) => server.stop()));
}

async function startOne() {
  const start = performance.now();
  const redis = await EmbeddedRedis.start();
  const client = new RawClient(redis.port);
  await client.call('PING');
  const took = performance.now() - start;
  client.close();
  await redis.stop();
  return took;
}

main();
