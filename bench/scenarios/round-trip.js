'use strict';

const { warmUp } = require('./warm-up.js');

/** The README's round trip: payload, send, run, answer, completion, answer read. */
async function roundTrip(stage, { inFlight, jobs, seconds, concurrency = inFlight, isAlone = false, ...options }) {
  const load = { inFlight, jobs, seconds };
  const roles = isAlone ? [] : [await stage.role('responder', { concurrency, ...options })];
  const requester = await stage.role('requester', { concurrency, isAlone, ...options });
  await requester.call('run', warmUp(load));
  return stage.measure([requester, ...roles], () => requester.call('run', load));
}

const LOADS = [
  { inFlight: 1, jobs: 5_000, cores: 1 },
  { inFlight: 16, jobs: 60_000 },
  { inFlight: 128, jobs: 120_000 },
];

const S4 = {
  id: 'S4',
  title: 'round trip',
  cases: [
    ...LOADS.map((one) => ({ id: String(one.inFlight), label: `${one.inFlight} in flight, two processes`, ...one })),
    ...LOADS.map((one) => ({
      id: `${one.inFlight}-alone`,
      label: `${one.inFlight} in flight, one process`,
      isAlone: true,
      ...one,
    })),
  ],
  run: roundTrip,
};

/**
 * Requests by the clock, whether earlier ones are answered or not. The warm-up is a closed loop, since an open one can leave
 * unanswered requests to the measurement.
 */
async function openRoundTrip(stage, { rate, seconds, concurrency, ...options }) {
  const responder = await stage.role('responder', { concurrency, ...options });
  const requester = await stage.role('requester', { isOpen: true, ...options });
  await requester.call('run', warmUp({ inFlight: concurrency, jobs: rate * seconds, seconds }));
  return stage.measure([requester, responder], () => requester.call('runAtRate', { rate, seconds }));
}

/** Round trips that come evenly, far fewer than could be done. */
const S5 = {
  id: 'S5',
  title: 'round trip at a fixed rate',
  cases: [{ id: '200', label: '200 a second', rate: 200, seconds: 6, concurrency: 16 }],
  run: (stage, { jobs, ...parameters }) => openRoundTrip(stage, parameters),
};

const KIB = 1024;

/** The same with much to carry, there and back. */
const S6 = {
  id: 'S6',
  title: 'round trip with payload',
  cases: [
    { id: '64k', label: '64 KiB, 16 in flight', payload: 64 * KIB, inFlight: 16, jobs: 10_000 },
    { id: '1m', label: '1 MiB, 16 in flight', payload: KIB * KIB, inFlight: 16, jobs: 1_000 },
  ],
  run: roundTrip,
};

/** The round trip of a program that avoids trips: payload in the entry, answer in the completion. */
const S11 = {
  id: 'S11',
  title: 'round trip, payload in entry',
  cases: LOADS.map((one) => ({
    id: String(one.inFlight),
    label: `${one.inFlight} in flight, two processes`,
    payloadPlace: 'entry',
    ...one,
  })),
  run: roundTrip,
};

const RATES = [1_000, 5_000, 10_000];

/** The same by the clock, at rates up to those that slow subjects do not reach. */
const S18 = {
  id: 'S18',
  title: 'open loop, payload in entry',
  cases: RATES.map((rate) => ({
    id: String(rate),
    label: `${rate.toLocaleString('en')} a second`,
    payloadPlace: 'entry',
    rate,
    seconds: 10,
    concurrency: 128,
  })),
  run: S5.run,
};

module.exports = { S4, S5, S6, S11, S18, roundTrip };
