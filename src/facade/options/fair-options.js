'use strict';

const checks = require('./validate.js');

/** Maximum number of waiting entries of a stream. Each lease renewal names all of them. */
const MOST_WAITING = 100_000;

/** Returns the options of fair dispatch for the engine; `undefined` without it. */
function fairOptions(fair) {
  if (fair === undefined || fair === null || fair === false) return undefined;
  if (fair !== true && typeof fair !== 'object') throw new TypeError('fair must be a boolean or an object');
  const cap = checks.count('fair.cap', fair.cap, { least: 1, endless: true });
  return {
    cap: cap === Infinity ? undefined : cap,
    waiting: checks.count('fair.waiting', fair.waiting, { least: 1, most: MOST_WAITING }),
  };
}

module.exports = { fairOptions };
