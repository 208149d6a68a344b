'use strict';

const NODES = 3;
/** 2.2.0 asks one node after the other, and each for so long, in ms. */
const BLOCK_TIMEOUT = 400;
/** As long as a run may take, in s: with 2.2.0 some jobs take a second. */
const LIMIT = 30;

/** Round trips over three nodes with DISTRIBUTED_ROUTING, through a consumer that runs one job at a time. */
const S10 = {
  id: 'S10',
  title: `round trip, distributed over ${NODES} nodes`,
  count: NODES,
  cases: [{ label: '1 in flight, concurrency 1', jobs: 5_000 }],
  async run(stage, { jobs }) {
    const options = { isDistributed: true, blockTimeout: BLOCK_TIMEOUT };
    const responder = await stage.role('responder', { concurrency: 1, ...options });
    const requester = await stage.role('requester', options);
    await requester.call('run', { inFlight: 1, jobs: Math.ceil(jobs / 4), seconds: LIMIT / 10 });
    return stage.measure([requester, responder], () => requester.call('run', { inFlight: 1, jobs, seconds: LIMIT }));
  },
};

module.exports = { S10 };
