'use strict';

const { spread } = require('./numbers.js');

/** Compared metrics with their names. A metric that a scenario does not measure has no row. */
const METRICS = [
  { key: 'rate', name: 'jobs/s' },
  { key: 'p50', name: 'p50, ms' },
  { key: 'p90', name: 'p90, ms' },
  { key: 'p95', name: 'p95, ms' },
  { key: 'p99', name: 'p99, ms' },
  { key: 'p999', name: 'p99.9, ms' },
  { key: 'p9999', name: 'p99.99, ms' },
  { key: 'max', name: 'maximum, ms' },
  { key: 'clientCpu', name: 'client CPU, µs/job' },
  { key: 'serverCpu', name: 'server CPU, µs/job' },
  { key: 'idleClient', name: 'client CPU, µs/s' },
  { key: 'idleServer', name: 'server CPU, µs/s' },
  { key: 'connections', name: 'connections' },
  { key: 'rss', name: 'peak RSS, MiB' },
];

/**
 * The figures of one case: for each metric and subject the spread over the rounds, and that of ours over theirs. The
 * two of a ratio are of the same round, since what slows one down mostly slows down its neighbour too.
 * @param {Map<string, object[]>} measured ours first; a subject that does not measure something is missing there
 */
function compare(measured) {
  const [[ours, rounds], ...others] = measured;
  const has = (theirs, key) => typeof theirs[0][key] === 'number';
  return METRICS.filter(({ key }) => has(rounds, key)).map(({ key, name }) => {
    const comparable = others.filter(([, theirs]) => has(theirs, key));
    const ratio = (theirs) => rounds.map((round, at) => round[key] / theirs[at][key]);
    return {
      key,
      name,
      subjects: Object.fromEntries(
        [[ours, rounds], ...comparable].map(([subject, each]) => [subject, spread(each.map((round) => round[key]))]),
      ),
      ratios: Object.fromEntries(comparable.map(([subject, theirs]) => [subject, spread(ratio(theirs))])),
    };
  });
}

module.exports = { compare };
