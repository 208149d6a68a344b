'use strict';

const { warmUp } = require('./warm-up.js');

const IN_FLIGHT = 64;

/** Cost of a completion with many producers in one process, each listening for its own jobs. */
const S9 = {
  id: 'S9',
  title: 'completions for one of many producers',
  cases: [1, 100, 1000].map((producers) => ({
    id: String(producers),
    label: `${producers} listen`,
    producers,
    jobs: 20_000,
  })),
  async run(stage, { producers, jobs, seconds }) {
    const load = { inFlight: IN_FLIGHT, jobs, seconds };
    const acknowledger = await stage.role('acknowledger', { concurrency: IN_FLIGHT });
    const completer = await stage.role('completer', { producers });
    // Every producer has had a job completed before.
    await completer.call('run', { inFlight: IN_FLIGHT, jobs: producers });
    await completer.call('run', warmUp(load));
    return stage.measure([completer, acknowledger], () => completer.call('run', load));
  },
};

module.exports = { S9 };
