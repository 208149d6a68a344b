'use strict';

const { keys } = require('../support/keys.js');
const { schedule } = require('./programs/scheduler.js');

/** Maximum lateness of 99 of 100 entries, in ms. */
const LATENESS = 100;
const PAGE = 5000;

/** Delayed sends whose sender is killed, while consumers are killed and others take their place. */
async function run(trial) {
  const server = await trial.server();
  const count = trial.times(100_000);
  const spread = trial.times(20_000, 3000);
  const base = Date.now() + 3000 + Math.ceil(count / 4);
  const claiming = { claimInterval: 200, claimDeadline: 1500, retryLimit: 1000 };
  const consumer = () => trial.consumer(server, { consumer: { concurrency: 50, ...claiming } });
  const consumers = [await consumer(), await consumer()];
  const sender = trial.child(schedule, {
    options: server.options,
    data: { stream: trial.stream, count, base, spread },
  });
  await sender.says('over', 60_000);
  sender.kill();
  const isEarly = Date.now() < base;
  const kills = 4;
  for (let kill = 0; kill < kills; kill++) {
    await trial.sleep(Math.max(0, base + (spread * kill) / kills - Date.now()));
    consumers.shift().kill();
    consumers.push(await consumer());
  }
  await trial.drain({ limit: spread + 30_000 });
  const late = (await entries(server, trial.stream)).map(([id, number]) => id - dueOf(number, { base, count, spread }));
  late.sort((left, right) => left - right);
  const p99 = late[Math.floor(late.length * 0.99)];
  trial.mark('all were sent before the first was due', isEarly);
  trial.mark('nothing lost', trial.ledger.missing.length === 0);
  trial.mark('each entry once', late.length === count);
  trial.mark('no entry early', late[0] >= 0);
  trial.mark(`99 of 100 at most ${LATENESS} ms late`, p99 <= LATENESS);
  return trial.report({
    kills: kills + 1,
    entries: late.length,
    p50: late[late.length >> 1],
    p99,
    latest: late.at(-1),
  });
}

function dueOf(number, { base, count, spread }) {
  return base + Math.floor((((number * 7919) % count) / count) * spread);
}

/** The time of each entry, and the number of its job. */
async function entries(server, stream) {
  const found = [];
  for (let from = '-'; ; ) {
    const page = await server.call('XRANGE', keys.stream(stream), from, '+', 'COUNT', PAGE);
    if (page.length === 0) return found;
    for (const [id, fields] of page) found.push([Number.parseInt(id, 10), Number(fields[fields.indexOf('job') + 1])]);
    from = `(${page.at(-1)[0]}`;
  }
}

module.exports = { id: 'F30', title: 'delayed sends, kill -9 of their sender and of consumers', run };
