'use strict';

const { keys } = require('../support/keys.js');

/** Commands that remove the stream or the group while a consumer waits. */
const LOSSES = {
  'restart without data': async (_trial, server) => {
    await server.restart();
  },
  FLUSHALL: (_trial, server) => server.call('FLUSHALL'),
  'XGROUP DESTROY': (trial, server) =>
    server.call('XGROUP', 'DESTROY', keys.stream(trial.stream), keys.group(trial.group)),
};

/** The data is gone, and what is sent afterwards is run. */
async function run(trial) {
  const server = await trial.server();
  await trial.consumer(server, { consumer: { concurrency: 10, blockTimeout: 1000 } });
  const rounds = trial.times(3);
  const recoveries = [];
  let mostErrors = 0;
  for (let round = 0; round < rounds; round++) {
    for (const lose of Object.values(LOSSES)) {
      const before = trial.producer(server, { count: 20 });
      await before.says('over');
      await trial.drain({ limit: 5000, quiet: 3000 });
      const errors = trial.errors;
      await lose(trial, server);
      const since = performance.now();
      const after = trial.producer(server, { count: 20 });
      await after.says('over');
      const sent = performance.now();
      await trial.drain({ limit: 10000, quiet: 3000 });
      const done = trial.ledger.firstDone(since, (number) => number >= after.first);
      // A program takes a while to start, which is none of the bus'.
      recoveries.push(done === null ? Infinity : Math.max(0, done - sent));
      mostErrors = Math.max(mostErrors, trial.errors - errors);
    }
  }
  const recovery = Math.max(...recoveries);
  trial.mark('nothing lost that was sent afterwards', trial.ledger.missing.length === 0);
  trial.mark('consuming again within 2 s', recovery <= 2000);
  trial.mark('at most 5 errors for each', mostErrors <= 5);
  return trial.report({ rounds, recovery: Number.isFinite(recovery) ? recovery : null, mostErrors });
}

module.exports = { id: 'F4', title: 'data or groups of Redis lost', original: true, run };
