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

/** Streams on the first, the second and the third node of a Cluster of three. */
const STREAMS = ['bench', 'bench-a', 'bench-d'];

/** Round trips on streams of all nodes, and on those of one node, each with a consumer of its own. */
const SPREAD = [
  { id: 'all-16', label: 'round trip on streams of all nodes, 16 in flight', streams: STREAMS },
  { id: 'second-16', label: 'round trip on a stream of the second node, 16 in flight', streams: STREAMS.slice(1, 2) },
];

/** S3 and S4 on more than one server. */
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
    ...SPREAD.map(({ id, label, streams }) => ({
      id: `cluster-${id}`,
      label: `Cluster, ${label}`,
      topology: 'cluster',
      run: roundTrip,
      inFlight: 16,
      jobs: 60_000,
      streams,
    })),
  ],
  run: (stage, { run, ...parameters }) => run(stage, parameters),
};

module.exports = { S10 };
