'use strict';

/** The first id behind an entry's: Redis 5 knows no ranges that leave their first one out. */
function successor(id) {
  const [time, sequence] = parts(id);
  return `${time}-${sequence + 1n}`;
}

/** Whether an entry comes after another one in their stream. */
function isBehind(id, other) {
  const [time, sequence] = parts(id);
  const [otherTime, otherSequence] = parts(other);
  return time === otherTime ? sequence > otherSequence : time > otherTime;
}

function parts(id) {
  return id.split('-').map(BigInt);
}

module.exports = { isBehind, successor };
