'use strict';

/* Ids of entries, `time-sequence`: two numbers of 64 bits, which exceed JavaScript's exact numbers. */

const FORMAT = /^(\d{1,20})(?:-(\d{1,20}))?$/;
const LARGEST = 2n ** 64n - 1n;

/** Returns true if a text is the id of an entry, with or without a sequence. */
function isEntryId(text) {
  const found = FORMAT.exec(text)?.slice(1);
  return found?.every((part) => part === undefined || BigInt(part) <= LARGEST) ?? false;
}

/** Returns the next possible id, or `null` for the last one. Redis 5 has no exclusive ranges. */
function successor(id) {
  const [time, sequence] = parts(id);
  if (sequence < LARGEST) return `${time}-${sequence + 1n}`;
  return time < LARGEST ? `${time + 1n}-0` : null;
}

/** Returns the previous possible id, or `null` for the first one. */
function predecessor(id) {
  const [time, sequence] = parts(id);
  if (sequence > 0n) return `${time}-${sequence - 1n}`;
  return time > 0n ? `${time - 1n}-${LARGEST}` : null;
}

/** Returns true if an id comes after another one. */
function isBehind(id, other) {
  const [time, sequence] = parts(id);
  const [otherTime, otherSequence] = parts(other);
  return time === otherTime ? sequence > otherSequence : time > otherTime;
}

function parts(id) {
  const [time, sequence = 0] = id.split('-');
  return [BigInt(time), BigInt(sequence)];
}

module.exports = { isBehind, isEntryId, predecessor, successor };
