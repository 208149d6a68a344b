'use strict';

const { spread } = require('./numbers.js');

/** What is compared, and what it is called. Where a scenario does not measure it, there is no row. */
const METRICS = [
  { key: 'rate', name: 'jobs/s' },
  { key: 'p50', name: 'p50, ms' },
  { key: 'p95', name: 'p95, ms' },
  { key: 'p99', name: 'p99, ms' },
  { key: 'p999', name: 'p99.9, ms' },
  { key: 'clientCpu', name: 'client CPU, µs/job' },
  { key: 'serverCpu', name: 'server CPU, µs/job' },
  { key: 'rss', name: 'peak RSS, MiB' },
];

/**
 * The figures of one case: for each metric and subject the spread over the rounds, and that of ours over theirs. The
 * two of a ratio are of the same round, since what slows one down mostly slows down its neighbour too.
 */
function compare(measured) {
  const [[ours, rounds], ...others] = measured;
  const metrics = METRICS.filter(({ key }) => rounds[0][key] !== undefined);
  return metrics.map(({ key, name }) => ({
    key,
    name,
    subjects: {
      [ours]: spread(rounds.map((round) => round[key])),
      ...Object.fromEntries(others.map(([other, theirs]) => [other, spread(theirs.map((round) => round[key]))])),
    },
    ratios: Object.fromEntries(
      others.map(([other, theirs]) => [other, spread(rounds.map((round, at) => round[key] / theirs[at][key]))]),
    ),
  }));
}

module.exports = { compare };
