'use strict';

/** As long as a run takes at most, in s, unless its jobs are done before. */
const SECONDS = 3;

/** Warm-up before the measurement: a quarter of its jobs. */
function warmUp({ jobs, seconds, ...load }) {
  return { ...load, jobs: Math.ceil(jobs / 4), seconds: seconds / 4 };
}

module.exports = { SECONDS, warmUp };
