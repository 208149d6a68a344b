'use strict';

const checks = require('./validate.js');

/** Maximum number of starts in a window. */
const LARGEST_MAX = 1e9;
/** Shortest and longest window, in ms. The longest is a year. */
const SHORTEST_INTERVAL = 10;
const LONGEST_INTERVAL = 31_536_000_000;

/**
 * Converts the rate limit of a stream into that of the engine; `undefined` without one.
 * @param {unknown} given
 * @param {{ stream: string, claimInterval: number | undefined }} about name of the stream, and interval of claim cycles
 */
function limitOptions(given, { stream, claimInterval }) {
  if (given === undefined || given === null) return undefined;
  const { max, interval, key } = checks.object('limit', given);
  const options = {
    stream,
    max: required('limit.max', max, { least: 1, most: LARGEST_MAX }),
    interval: required('limit.interval', interval, { least: SHORTEST_INTERVAL, most: LONGEST_INTERVAL }),
    byKey: isByKey(key),
  };
  // A pause returns entries that wait for permits, and a claim cycle of the group finds them.
  if (!(claimInterval > 0)) throw new TypeError('limit needs a consumer with claimInterval');
  return options;
}

function required(name, value, range) {
  const number = checks.count(name, value, range);
  if (number === undefined) throw new TypeError(`${name} must be a number`);
  return number;
}

function isByKey(key) {
  if (key !== undefined && key !== null && typeof key !== 'boolean') {
    throw new TypeError('limit.key must be a boolean');
  }
  return key === true;
}

module.exports = { limitOptions };
