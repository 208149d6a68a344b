'use strict';

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
];

/** Returns a time in ms as text for people, such as `5 min`; `null` for no time. */
function duration(ms) {
  if (ms === null || ms === undefined) return null;
  const [unit, size] = UNITS.find(([, least]) => ms >= least) ?? ['ms', 1];
  return `${Math.floor(ms / size)} ${unit}`;
}

module.exports = { duration };
