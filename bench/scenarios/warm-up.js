'use strict';

/** As long as a run takes at most, in s, unless its jobs are done before. */
const SECONDS = 3;

/** What comes before the clock starts: a quarter of what is measured. */
function warmUp({ jobs, seconds, ...load }) {
  return { ...load, jobs: Math.ceil(jobs / 4), seconds: seconds / 4 };
}

module.exports = { SECONDS, warmUp };
