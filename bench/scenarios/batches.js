'use strict';

const { drain } = require('./drain.js');
const { warmUp } = require('./warm-up.js');

const SIZE = 100;

/** Sends batches, one at a time. */
async function sendBatches(stage, { batch, jobs, seconds }) {
  const load = { batch, jobs, seconds, inFlight: 1 };
  const sender = await stage.role('sender');
  await sender.call('runBatches', warmUp(load));
  return stage.measure([sender], () => sender.call('runBatches', load));
}

/** Jobs in batches. Subjects without batches of jobs run as many jobs at once. */
const S14 = {
  id: 'S14',
  title: `batches of ${SIZE} jobs`,
  cases: [
    { id: 'send', label: 'sent, times per batch', run: sendBatches, batch: SIZE, jobs: 200_000 },
    { id: 'drain', label: 'a backlog, drained', run: drain, batch: SIZE, concurrency: SIZE, jobs: 200_000 },
  ],
  run: (stage, { run, ...parameters }) => run(stage, parameters),
};

module.exports = { S14 };
