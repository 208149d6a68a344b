'use strict';

/** With everysec, how far back of the crash what is lost may have been sent, in ms. */
const WINDOW = 1000;

/** `kill -9` of Redis while jobs are sent and run; it comes back with what is in its append-only file. */
async function crash(trial, fsync, { consuming = trial.subject, producing = trial.subject } = {}) {
  const server = await trial.server('--appendonly', 'yes', '--appendfsync', fsync);
  const claiming = { claimInterval: 200, claimDeadline: 1500, retryLimit: 1000 };
  await trial.consumer(server, { subject: consuming, consumer: { concurrency: 50, ...claiming }, work: [1, 5] });
  const producer = trial.producer(server, { subject: producing, count: 1e6, window: 32, pace: 5 });
  const crashes = trial.times(5);
  const recoveries = [];
  const times = [];
  while (times.length < crashes) {
    const done = trial.ledger.done;
    await trial.until(() => trial.ledger.done > done + 100);
    await trial.sleep(50, 400);
    times.push(performance.now());
    server.crash();
    await trial.sleep(50, 500);
    await server.start();
    const up = performance.now();
    await trial.until(() => trial.ledger.firstDone(up) !== null);
    recoveries.push(trial.ledger.firstDone(up) - up);
  }
  producer.signal('SIGTERM');
  await producer.says('over', 30000);
  await trial.drain({ limit: 20000 });
  return { crashes, recovery: Math.max(...recoveries), times };
}

async function run(trial) {
  const always = await crash(trial, 'always');
  trial.mark('nothing lost', trial.ledger.missing.length === 0);
  // Sends whose connection broke are looked for before they are sent again.
  if (!trial.isOriginal) trial.mark('nothing twice', trial.ledger.duplicates === 0);
  trial.mark('jobs again within 3 s', always.recovery <= 3000);
  return trial.report({ crashes: always.crashes, recovery: always.recovery });
}

async function runEverySecond(trial) {
  const { crashes, recovery, times } = await crash(trial, 'everysec');
  trial.mark('nothing lost but of the last second', trial.ledger.missingBut(times, WINDOW).length === 0);
  trial.mark('jobs again within 3 s', recovery <= 3000);
  return trial.report({ crashes, recovery });
}

module.exports = [
  { id: 'F3', title: 'kill -9 of Redis, AOF always', original: true, run },
  { id: 'F3s', title: 'kill -9 of Redis, AOF everysec', original: true, run: runEverySecond },
];
