'use strict';

const { NODES } = require('../servers.js');
const { drain } = require('./drain.js');
const { roundTrip } = require('./round-trip.js');

/** 2.2.0 asks one node after the other, and each for so long, in ms. */
const BLOCK_TIMEOUT = 400;

const RUNS = [
  { id: '1', label: 'round trip, 1 in flight', run: roundTrip, inFlight: 1, jobs: 5_000, seconds: 6 },
  { id: '16', label: 'round trip, 16 in flight', run: roundTrip, inFlight: 16, jobs: 60_000 },
  { id: 'drain', label: 'drain, concurrency 128', run: drain, concurrency: 128, jobs: 100_000 },
];

/** S3 and S4 on more than one server. On a Cluster there is one stream: 2.2.0 reads nothing from several. */
const S10 = {
  id: 'S10',
  title: `on ${NODES} servers`,
  cases: [
    ...RUNS.map(({ id, label, ...one }) => ({
      id: `nodes-${id}`,
      label: `nodes(), distributed, ${label}`,
      topology: 'nodes',
      blockTimeout: BLOCK_TIMEOUT,
      ...one,
    })),
    ...RUNS.map(({ id, label, ...one }) => ({
      id: `cluster-${id}`,
      label: `Cluster, ${label}`,
      topology: 'cluster',
      ...one,
    })),
  ],
  run: (stage, { run, ...parameters }) => run(stage, parameters),
};

module.exports = { S10 };
