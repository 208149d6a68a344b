'use strict';

const checks = require('./validate.js');

/** Default time that an entry stays after its last acknowledgement, in ms. */
const RETAIN_FOR = 5000;
/** Longest time: a day. */
const LONGEST = 86_400_000;

/**
 * Converts the options of retention.
 * @returns {{ retainFor: number | undefined, backlogLimit: number }} without `retainFor` no entry is removed
 */
function retentionOptions({ retain, retainFor, backlogLimit }) {
  if (retain !== undefined && retain !== null && retain !== 'acknowledged') {
    throw new TypeError("retain must be 'acknowledged'");
  }
  const keep = checks.time('retainFor', retainFor, RETAIN_FOR);
  if (keep > LONGEST) throw new RangeError(`retainFor must be at most ${LONGEST} ms`);
  const limit = checks.count('backlogLimit', backlogLimit, { least: 0, fallback: 0, endless: true });
  return { retainFor: retain ? keep : undefined, backlogLimit: limit === Infinity ? 0 : limit };
}

module.exports = { retentionOptions };
