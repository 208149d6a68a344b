'use strict';

/** The README's round trip: payload, send, run, answer, completion, answer read. Two processes. */
const S4 = {
  id: 'S4',
  title: 'round trip',
  cases: [
    { inFlight: 1, jobs: 5_000, cores: 1 },
    { inFlight: 16, jobs: 30_000 },
    { inFlight: 128, jobs: 50_000 },
  ].map((one) => ({ label: `${one.inFlight} in flight`, ...one })),
  async run(stage, { inFlight, jobs }) {
    const responder = await stage.role('responder', { concurrency: inFlight });
    const requester = await stage.role('requester');
    await requester.call('run', { inFlight, jobs: Math.ceil(jobs / 4) });
    return stage.measure([requester, responder], () => requester.call('run', { inFlight, jobs }));
  },
};

module.exports = { S4 };
