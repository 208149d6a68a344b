'use strict';

/* Ids of entries, `time-sequence`: two numbers of 64 bits, which JavaScript's own numbers cannot hold. */

const FORMAT = /^(\d{1,20})(?:-(\d{1,20}))?$/;
const LARGEST = 2n ** 64n - 1n;

/** Whether a text is the id of an entry; Redis takes one without a sequence as well. */
function isEntryId(text) {
  const found = FORMAT.exec(text)?.slice(1);
  return found?.every((part) => part === undefined || BigInt(part) <= LARGEST) ?? false;
}

/** The first id behind an entry's, null for none: Redis 5 knows no ranges that leave their first one out. */
function successor(id) {
  const [time, sequence] = parts(id);
  if (sequence < LARGEST) return `${time}-${sequence + 1n}`;
  return time < LARGEST ? `${time + 1n}-0` : null;
}

/** Whether an entry comes after another one in their stream. */
function isBehind(id, other) {
  const [time, sequence] = parts(id);
  const [otherTime, otherSequence] = parts(other);
  return time === otherTime ? sequence > otherSequence : time > otherTime;
}

function parts(id) {
  const [time, sequence = 0] = id.split('-');
  return [BigInt(time), BigInt(sequence)];
}

module.exports = { isBehind, isEntryId, successor };
