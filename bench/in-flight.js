'use strict';

const { Latencies } = require('./latencies.js');

/**
 * Does something over and over, so many at a time: until it was done `jobs` times or `seconds` are over.
 * @returns how often it was done, and how long that took
 */
async function keepInFlight({ jobs, inFlight, seconds = Infinity }, act) {
  const latencies = new Latencies(jobs);
  const end = performance.now() + seconds * 1000;
  let begun = 0;
  const lane = async () => {
    // The first is done however little time there is.
    while (begun < jobs && (begun === 0 || performance.now() < end)) {
      begun++;
      await latencies.time(act);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, jobs) }, lane));
  return latencies.summary();
}

module.exports = { keepInFlight };
