'use strict';

const { warmUp } = require('./warm-up.js');

/** Sends without a consumer: the rate of one producer. */
async function send(stage, { inFlight, jobs, seconds, ...options }) {
  const load = { inFlight, jobs, seconds };
  const sender = await stage.role('sender', options);
  await sender.call('run', warmUp(load));
  return stage.measure([sender], () => sender.call('run', load));
}

/** The same, and fails unless the payloads are in Redis. An option that a version does not know could lose them. */
async function sendWithProof(stage, options) {
  const before = await stage.memory();
  const figures = await send(stage, options);
  const stored = (await stage.memory()) - before;
  if (stored < (figures.jobs * options.payload) / 2) throw new Error('the payloads are not in Redis');
  return figures;
}

function scenarioOf({ id, title, payload, cases, run = send }) {
  return {
    id,
    title,
    cases: cases.map((one) => ({ id: String(one.inFlight), label: `${one.inFlight} in flight`, ...one })),
    run: (stage, parameters) => run(stage, { payload, ...parameters }),
  };
}

const S1 = scenarioOf({
  id: 'S1',
  title: 'send',
  payload: 0,
  cases: [
    { inFlight: 1, jobs: 20_000, cores: 1 },
    { inFlight: 64, jobs: 200_000 },
    { inFlight: 1024, jobs: 400_000 },
  ],
});

const S2 = scenarioOf({
  id: 'S2',
  title: 'send with 1 KiB payload',
  payload: 1024,
  cases: [
    { inFlight: 1, jobs: 10_000, cores: 1 },
    { inFlight: 64, jobs: 100_000 },
    { inFlight: 1024, jobs: 200_000 },
  ],
});

const ONE_WRITE = { inFlight: 1, jobs: 10_000, cores: 1 };

/** Payload and entry in one write. */
const S12 = scenarioOf({
  id: 'S12',
  title: 'send, 1 KiB in the same write',
  payload: 1024,
  run: sendWithProof,
  cases: [
    { id: '1', label: '1 in flight, key', payloadPlace: 'key', ...ONE_WRITE },
    { id: '1-both', label: '1 in flight, entry and key', payloadPlace: 'both', ...ONE_WRITE },
    { id: '1-entry', label: '1 in flight, entry', payloadPlace: 'entry', ...ONE_WRITE },
  ],
});

module.exports = { S1, S2, S12, send };
