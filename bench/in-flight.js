'use strict';

const { percentile } = require('./numbers.js');

/**
 * Does something over and over, so many at a time: until it was done `jobs` times or `seconds` are over.
 * @returns how often it was done, and how long each took, in ms
 */
async function keepInFlight({ jobs, inFlight, seconds = Infinity }, act) {
  const took = new Float64Array(jobs);
  const end = performance.now() + seconds * 1000;
  let [begun, done] = [0, 0];
  const lane = async () => {
    while (begun < jobs) {
      begun++;
      const start = performance.now();
      if (start > end) break;
      await act();
      took[done] = performance.now() - start;
      done++;
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, jobs) }, lane));
  const sorted = took.subarray(0, done).sort();
  return {
    jobs: done,
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
  };
}

module.exports = { keepInFlight };
