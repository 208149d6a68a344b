'use strict';

const { spread } = require('./numbers.js');

/** So much more than what was recorded is taken for noise. */
const MARGIN = 0.15;

/**
 * Compares CPU with the recorded CPU, both divided by that of 2.2.0 in the same run. Other load of the machine makes runs more
 * expensive, never cheaper. So a case is slower if both the median of its rounds and its cheapest rounds exceed the margin.
 * @param {Record<string, { ours: number[], theirs: number[] }>} baseline by case, what each round has used per job
 * @param {Record<string, { ours: number[], theirs: number[] }>} now
 */
function judge(baseline, now) {
  return Object.entries(baseline).map(([of, recorded]) => {
    const [before, after] = [ratiosOf(recorded), ratiosOf(now[of])];
    const isSlower = ['median', 'cheapest'].every((kind) => after[kind] > before[kind] * (1 + MARGIN));
    return { of, before, after, isSlower };
  });
}

function ratiosOf({ ours, theirs }) {
  return {
    median: spread(ours.map((cost, round) => cost / theirs[round])).median,
    cheapest: spread(ours).min / spread(theirs).min,
  };
}

module.exports = { MARGIN, judge };
