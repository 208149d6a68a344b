'use strict';

const { roundTrip } = require('./round-trip.js');

/** Delays of a network, as a PING and its answer have them, in ms. */
const DELAYS = [0, 0.5, 1, 5];

/** Round trips, one at a time, over networks with more and more delay. */
function ladder({ id, title, ...options }) {
  return {
    id,
    title,
    cases: DELAYS.map((delay) => ({
      id: String(delay),
      label: `${delay} ms there and back, 1 in flight`,
      delay,
      inFlight: 1,
      jobs: 5_000,
      cores: 1,
      ...options,
    })),
    run: roundTrip,
  };
}

const S15 = ladder({ id: 'S15', title: 'round trip over a network, payload in entry', payloadPlace: 'entry' });
const S16 = ladder({ id: 'S16', title: 'round trip over a network' });

module.exports = { S15, S16 };
