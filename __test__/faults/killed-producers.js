'use strict';

const WINDOW = 32;

/** `kill -9` of a producer while it sends; the next one goes on. */
async function run(trial) {
  const server = await trial.server();
  await trial.consumer(server, { consumer: { concurrency: 50 } });
  const kills = trial.times(10);
  for (let kill = 0; kill < kills; kill++) {
    const producer = trial.producer(server, { count: 1e6, window: WINDOW });
    await trial.until(() => trial.ledger.isSent(producer.first));
    await trial.sleep(5, 120);
    producer.kill();
    await producer.exit();
  }
  const since = performance.now();
  await trial.drain();
  const { ledger } = trial;
  trial.mark('every send that resolved is done', ledger.missing.length === 0);
  trial.mark('unknown at most what was in flight', ledger.unknown <= kills * WINDOW);
  trial.mark('nothing twice', ledger.duplicates === 0);
  return trial.report({ kills, unknown: ledger.unknown, recovery: performance.now() - since });
}

module.exports = { id: 'F2', title: 'kill -9 of producers', original: true, run };
