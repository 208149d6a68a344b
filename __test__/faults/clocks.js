'use strict';

const { Clock, ClockedServer } = require('./clock.js');

/** Idle time of an entry before it is claimed, in ms; jobs take about as long. */
const CLAIM_DEADLINE = 3000;
const JOBS = 30;
const HOUR = 3600;

/** Returns true if the clock of Redis differs by the given time. */
async function isWrong(server, offset) {
  const [seconds] = await server.call('TIME');
  return Math.abs(Number(seconds) - Date.now() / 1000 - offset) < 60;
}

/** The clock of the consumers, or of Redis, is set forward and back while jobs run. */
async function run(trial) {
  const server = await ClockedServer.start();
  trial.closing(() => server.kill());
  const clock = new Clock();
  trial.closing(() => clock.close());
  const consumer = {
    concurrency: JOBS,
    claimInterval: 100,
    claimDeadline: CLAIM_DEADLINE,
    retryLimit: 1000,
  };
  const given = { consumer, work: [2500, 3500], variables: clock.variables };
  await Promise.all([trial.consumer(server, given), trial.consumer(server, given)]);
  const duplicates = {};
  let isSet = true;
  for (const [whose, one] of Object.entries({ 'of consumers': clock, 'of Redis': server.clock })) {
    for (const offset of [HOUR, -HOUR]) {
      const before = trial.ledger.duplicates;
      const { started } = trial.ledger;
      const producer = trial.producer(server, { count: JOBS });
      await producer.says('over');
      await trial.until(() => trial.ledger.started === started + JOBS);
      one.wrongBy(offset);
      if (one === server.clock) isSet &&= await isWrong(server, offset);
      await trial.drain({ limit: 15000, quiet: 8000 });
      duplicates[`${whose}, ${offset / HOUR} h`] = trial.ledger.duplicates - before;
      one.wrongBy(0);
    }
  }
  trial.mark('the clock of Redis was wrong, or this shows nothing', isSet);
  trial.mark('nothing lost', trial.ledger.missing.length === 0);
  trial.mark('nothing claimed that runs', trial.ledger.duplicates === 0);
  return trial.report({ duplicatesBy: duplicates });
}

module.exports = { id: 'F19', title: 'clocks that jump', run };
