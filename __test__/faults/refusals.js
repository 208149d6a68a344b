'use strict';

const fs = require('node:fs');
const { RawClient } = require('../support/raw-client.js');
const { freePort } = require('../support/redis-server.js');

/** Duration of each state of Redis, in ms. */
const LASTS = 1000;
const LOAD_DELAY = '1000';

/** Refusals of Redis for all commands, with the commands that begin and end each. */
const STATES = {
  BUSY: async (trial, server) => {
    await server.call('CONFIG', 'SET', 'lua-time-limit', '20');
    const blocking = new RawClient(server.port);
    blocking.call('EVAL', 'while true do end', '0').catch(() => {});
    await trial.sleep(LASTS);
    await server.call('SCRIPT', 'KILL');
    blocking.close();
  },
  MASTERDOWN: async (trial, server) => {
    await server.call('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
    await server.call('REPLICAOF', '127.0.0.1', await freePort());
    await trial.sleep(LASTS);
    await server.call('REPLICAOF', 'NO', 'ONE');
  },
  READONLY: async (trial, server) => {
    await server.call('CONFIG', 'SET', 'replica-serve-stale-data', 'yes');
    await server.call('REPLICAOF', '127.0.0.1', await freePort());
    await trial.sleep(LASTS);
    await server.call('REPLICAOF', 'NO', 'ONE');
  },
  'max clients': async (trial, server) => {
    const [, most] = await server.call('CONFIG', 'GET', 'maxclients');
    await server.call('CONFIG', 'SET', 'maxclients', '1');
    await server.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await trial.sleep(LASTS);
    await server.call('CONFIG', 'SET', 'maxclients', most);
  },
  LOADING: async (trial, server) => {
    const filler = Array.from({ length: LASTS }, (_, at) => [`filler:${at}`, 'x'.repeat(100)]);
    await server.call('MSET', ...filler.flat());
    // Redis itself loses writes between SAVE and the crash, so it confirms none of them.
    await server.call('CLIENT', 'PAUSE', '60000', 'WRITE');
    await server.call('SAVE');
    server.crash();
    await server.start();
    await trial.until(async () => !(await isLoading(server)));
  },
};

/** Resolves with true while a server loads its data. The reply has the field `async_loading` too. */
async function isLoading(server) {
  return !/^loading:0/m.test(await server.call('INFO', 'persistence'));
}

/** CPU time of a process in ms; 0 where the system does not say. */
function cpuTime(pid) {
  const file = `/proc/${pid}/stat`;
  if (!fs.existsSync(file)) return 0;
  const fields = fs.readFileSync(file, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Redis answers, and refuses everything for a while. */
async function run(trial) {
  const loading = ['--key-load-delay', LOAD_DELAY, '--loading-process-events-interval-bytes', '1024'];
  const server = await trial.server(...loading);
  const consumer = await trial.consumer(server, {
    consumer: { concurrency: 10, blockTimeout: 200, claimInterval: 300, claimDeadline: 2000, retryLimit: 1000 },
  });
  const producer = trial.producer(server, { count: 1e6, window: 4, pace: 10 });
  const recoveries = {};
  const reported = {};
  const load = {};
  for (const [name, befall] of Object.entries(STATES)) {
    const { done } = trial.ledger;
    await trial.until(() => trial.ledger.done > done + 20);
    const before = { errors: trial.complaints, cpu: cpuTime(consumer.pid), at: performance.now() };
    await befall(trial, server);
    const since = performance.now();
    load[name] = Math.round((100 * (cpuTime(consumer.pid) - before.cpu)) / (since - before.at));
    await trial.until(() => trial.ledger.firstDone(since) !== null).catch(() => {});
    const done2 = trial.ledger.firstDone(since);
    recoveries[name] = done2 === null ? null : Math.round(done2 - since);
    reported[name] = trial.complaints - before.errors;
    if (done2 === null) break;
  }
  producer.signal('SIGTERM');
  await producer.says('over', 10000).catch(() => {});
  await trial.drain({ limit: 10000, quiet: 4000 });
  const times = Object.values(recoveries);
  trial.mark('nothing lost', trial.ledger.missing.length === 0);
  trial.mark(
    'jobs again within 3 s of each',
    times.every((time) => time !== null && time <= 3000),
  );
  trial.mark(
    'at most 5 errors of reading for each',
    Object.values(reported).every((count) => count <= 5),
  );
  trial.mark(
    'less than half a core meanwhile',
    Object.values(load).every((percent) => percent < 50),
  );
  return trial.report({ recovery: times.includes(null) ? null : Math.max(...times), recoveries, reported, load });
}

module.exports = { id: 'F18', title: 'Redis refuses everything for a while', original: true, run };
