'use strict';

const { keys } = require('../support/keys.js');

const PLENTY = '100mb';

/** Has Redis refuse whatever needs memory, whatever becomes free: it may have half of what an empty one needs. */
async function exhaust(server) {
  const [, needed] = /used_memory_startup:(\d+)/.exec(await server.call('INFO', 'memory'));
  await server.call('CONFIG', 'SET', 'maxmemory', Math.floor(needed / 2));
}

/** Redis has no memory left, and refuses writes or throws keys out. */
async function run(trial) {
  const server = await trial.server('--maxmemory', PLENTY, '--maxmemory-policy', 'noeviction');
  const count = trial.times(500, 50);
  await trial.producer(server, { count, payload: 200 }).says('over');
  await exhaust(server);
  const refused = trial.producer(server, { count: 20, payload: 200 });
  await refused.says('over', 15000);
  const codes = Object.keys(trial.ledger.refusals);
  trial.mark('what does not fit is refused with OOM', codes.length === 1 && codes[0] === 'OOM');
  // To make a group needs memory, to read and to acknowledge does not.
  await server.call('CONFIG', 'SET', 'maxmemory', PLENTY);
  const since = performance.now();
  await trial.consumer(server, { consumer: { concurrency: 10 }, payload: 200, work: [2, 6] });
  await trial.until(() => trial.ledger.done > count / 4);
  await exhaust(server);
  trial.mark('there were jobs left then, or this shows nothing', !trial.ledger.isDrained);
  await trial.drain({ limit: 20000, quiet: 4000 }).catch(() => {});
  trial.mark('consumers drain all the same', trial.ledger.isDrained);
  const pending = async () => (await server.call('XPENDING', keys.stream(trial.stream), keys.group(trial.group)))[0];
  const isAcknowledged = await trial.until(async () => (await pending()) === 0, 20000).catch(() => false);
  trial.mark('every job is acknowledged while memory is full', isAcknowledged);
  const recovery = performance.now() - since;
  await server.call('CONFIG', 'SET', 'maxmemory', PLENTY);
  const { errors } = trial;
  const evicted = await evict(trial, server);
  trial.mark('what was thrown out is pulled as null', evicted === trial.ledger.absent);
  return trial.report({ recovery, reported: errors, evicted });
}

/** Payloads that Redis has thrown out to make room: their jobs are run, and find nothing. */
async function evict(trial, server) {
  const stream = `${trial.stream}-evicted`;
  const count = 50;
  // A carried value needs no key.
  const producer = trial.producer(server, { count, payload: 200, stream, send: { carry: false } });
  await producer.says('over');
  let evicted = 0;
  for (let number = producer.first; number < producer.first + count; number += 2) {
    evicted += await server.call('DEL', `hfxbus:job:${number}:body`);
  }
  const key = keys.stream(stream);
  await trial.consumer(server, { stream, consumer: { concurrency: 10 }, payload: 200 });
  await trial.drain({ limit: 10000, quiet: 3000 });
  await server.call('DEL', key);
  return evicted;
}

module.exports = { id: 'F17', title: 'Redis out of memory', original: true, run };
