'use strict';

const { roundTrip } = require('./round-trip.js');
const { send } = require('./send.js');

const RUNS = [
  { id: 'send-1', label: 'send, 1 in flight', run: send, inFlight: 1, jobs: 20_000, cores: 1 },
  { id: 'send-64', label: 'send, 64 in flight', run: send, inFlight: 64, jobs: 200_000 },
  { id: 'trip-1', label: 'round trip, payload in entry, 1 in flight', inFlight: 1, jobs: 5_000, cores: 1 },
  { id: 'trip-16', label: 'round trip, payload in entry, 16 in flight', inFlight: 16, jobs: 60_000 },
];

/** S1 and S11 on servers that write to disk. */
const S17 = {
  id: 'S17',
  title: 'with an append-only file',
  cases: ['everysec', 'always'].flatMap((appendfsync) =>
    RUNS.map(({ id, label, ...one }) => ({
      id: `${id}-${appendfsync}`,
      label: `appendfsync ${appendfsync}, ${label}`,
      appendfsync,
      run: roundTrip,
      payloadPlace: 'entry',
      ...one,
    })),
  ),
  run: (stage, { run, ...parameters }) => run(stage, parameters),
};

module.exports = { S17 };
