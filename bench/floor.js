'use strict';

/*
 * Measures the lower bound of any client on this machine: `node bench/floor.js`. It measures a round trip to Redis, and Redis'
 * own CPU for the commands of a job, in batches of some size.
 */

const { RawClient } = require('../__test__/support/raw-client.js');
const { canPin, pin } = require('./cores.js');
const { spread } = require('./numbers.js');
const { say } = require('./say.js');
const { Servers, cpuOf, versionOf } = require('./servers.js');
const { markdown, written } = require('./table.js');

const ROUNDS = 5;
const TRIPS = 10_000;
const JOBS = 20_000;

const CHANNEL = 'hfxbus:chn:bench:0123456789abcdef';
const COMPLETION = '{"str":"bench","grp":"bench","job":"0123456789abcdef"}';
const STREAM = 'hfxbus:str:bench';
const GROUP = 'hfxbus:csr:bench';

/** Measures the time of sequential PINGs, in µs. */
async function trip(server, cores) {
  pin([process.pid, server.pid], cores);
  const start = performance.now();
  for (let done = 0; done < TRIPS; done++) await server.call('PING');
  const took = ((performance.now() - start) * 1000) / TRIPS;
  pin([process.pid, server.pid]);
  return took;
}

/** Redis' CPU per job for a drain: what was read at once is acknowledged at once. */
async function drain(server, batch) {
  await prepare(server);
  for (let done = 0; done < JOBS; done += batch) await server.client.callAll(entries(batch));
  return cpuPerJob(server, batch, async () => {
    const ids = await read(server, batch);
    await server.client.callAll(acknowledgements(ids));
  });
}

/** Redis' CPU per job for the README's round trip, with a subscriber, each step of a batch in one write. */
async function roundTrip(server, batch) {
  await prepare(server);
  const subscriber = new RawClient(server.port);
  await subscriber.call('SUBSCRIBE', CHANNEL);
  const jobs = Array.from({ length: batch }, (_, index) => `hfxbus:job:${String(index).padStart(16, '0')}`);
  const [inbound, outbound] = ['inbound', 'outbound'].map((name) => jobs.map((job) => `${job}:${name}`));
  const { client } = server;
  const set = (keys, value) => client.callAll(keys.map((key) => ['SET', key, value]));
  const take = (keys) =>
    client.callAll(
      keys.flatMap((key) => [
        ['GET', key],
        ['DEL', key],
      ]),
    );
  const cost = await cpuPerJob(server, batch, async () => {
    await set(inbound, '"Hello "');
    await client.callAll(entries(batch));
    const ids = await read(server, batch);
    await take(inbound);
    await set(outbound, '"Hello world!"');
    await client.callAll(acknowledgements(ids));
    await take(outbound);
  });
  subscriber.close();
  return cost;
}

async function prepare(server) {
  await server.call('FLUSHALL');
  await server.call('XGROUP', 'CREATE', STREAM, GROUP, '0', 'MKSTREAM');
}

function entries(count) {
  const add = (_, index) => ['XADD', STREAM, '*', 'prd', '0123456789abcdef', 'job', `job-${index}`];
  return Array.from({ length: count }, add);
}

async function read(server, count) {
  const [[, found]] = await server.call('XREADGROUP', 'GROUP', GROUP, 'floor', 'COUNT', count, 'STREAMS', STREAM, '>');
  return found.map(([id]) => id);
}

function acknowledgements(ids) {
  return [['XACK', STREAM, GROUP, ...ids], ...ids.map(() => ['PUBLISH', CHANNEL, COMPLETION])];
}

async function cpuPerJob(server, batch, act) {
  const rounds = Math.ceil(JOBS / batch);
  const before = await cpuOf([server]);
  for (let round = 0; round < rounds; round++) await act();
  return ((await cpuOf([server])) - before) / (rounds * batch);
}

const FIGURES = [
  ...(canPin ? [{ what: 'PING and its answer, on one core, µs', measure: (server) => trip(server, 1) }] : []),
  { what: 'PING and its answer, µs', measure: (server) => trip(server) },
  ...[1, 16, 128].map((batch) => ({
    what: `server CPU per job of a drain, ${batch} at once, µs`,
    measure: (server) => drain(server, batch),
  })),
  ...[1, 16, 128].map((batch) => ({
    what: `server CPU per job of a round trip, ${batch} at once, µs`,
    measure: (server) => roundTrip(server, batch),
  })),
];

async function main() {
  const servers = new Servers();
  const [server] = await servers.provide();
  const rows = [];
  for (const { what, measure } of FIGURES) {
    const found = [];
    for (let round = 0; round < ROUNDS; round++) found.push(await measure(server));
    const { median, min, max } = spread(found);
    say(`${what}: ${written(median)}`);
    rows.push([what, ...[median, min, max].map(written)]);
  }
  console.log(
    `Redis ${await versionOf(server)}, ${ROUNDS} rounds\n\n${markdown(['measurement', 'median', 'minimum', 'maximum'], rows)}`,
  );
  servers.stop();
}

main().then(
  () => process.exit(0),
  (error) => {
    say(error.message);
    process.exit(1);
  },
);
