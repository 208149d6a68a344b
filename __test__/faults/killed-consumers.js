'use strict';

/** Idle time of an entry before it is claimed, in ms. */
const CLAIM_DEADLINE = 1500;
const CONSUMERS = 4;
const CONCURRENCY = 50;
const CLAIMING = { claimInterval: 200, claimDeadline: CLAIM_DEADLINE, retryLimit: 1000, concurrency: CONCURRENCY };

/** `kill -9` of consumers in the middle of jobs, each replaced by one with another name. */
async function run(trial, { subjects = [trial.subject], producing = trial.subject } = {}) {
  const server = await trial.server();
  const start = (index) =>
    trial.consumer(server, { subject: subjects[index % subjects.length], consumer: CLAIMING, work: [20, 60] });
  const consumers = await Promise.all(Array.from({ length: CONSUMERS }, (_, index) => start(index)));
  const producer = trial.producer(server, { subject: producing, count: trial.times(20000, 400), window: 64 });
  await producer.says('over', 60000);
  const kills = trial.times(10);
  let last = 0;
  for (let kill = 0; kill < kills && !trial.ledger.isDrained; kill++) {
    await trial.sleep(50, 300);
    const index = trial.random.between(0, CONSUMERS - 1);
    consumers[index].kill();
    last = performance.now();
    consumers[index] = await start(index);
  }
  await trial.drain({ limit: CLAIM_DEADLINE + 30000 });
  const recovery = performance.now() - last;
  trial.mark('nothing lost', trial.ledger.missing.length === 0);
  trial.mark('duplicates at most what was in flight', trial.ledger.duplicates <= kills * CONCURRENCY);
  trial.mark('drained within claimDeadline + 10 s of the last kill', recovery <= CLAIM_DEADLINE + 10000);
  return trial.report({ kills, recovery });
}

module.exports = { id: 'F1', title: 'kill -9 of consumers', original: true, run };
