'use strict';

const { warmUp } = require('./warm-up.js');

/** Sends without a consumer: the rate of one producer. */
function send({ id, title, payload, cases }) {
  return {
    id,
    title,
    cases: cases.map((one) => ({ id: String(one.inFlight), label: `${one.inFlight} in flight`, ...one })),
    async run(stage, { inFlight, jobs, seconds }) {
      const load = { inFlight, jobs, seconds };
      const sender = await stage.role('sender', { payload });
      await sender.call('run', warmUp(load));
      return stage.measure([sender], () => sender.call('run', load));
    },
  };
}

const S1 = send({
  id: 'S1',
  title: 'send',
  payload: 0,
  cases: [
    { inFlight: 1, jobs: 20_000, cores: 1 },
    { inFlight: 64, jobs: 200_000 },
    { inFlight: 1024, jobs: 400_000 },
  ],
});

const S2 = send({
  id: 'S2',
  title: 'send with 1 KiB payload',
  payload: 1024,
  cases: [
    { inFlight: 1, jobs: 10_000, cores: 1 },
    { inFlight: 64, jobs: 100_000 },
    { inFlight: 1024, jobs: 200_000 },
  ],
});

module.exports = { S1, S2 };
