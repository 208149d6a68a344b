'use strict';

/*
 * Ids of chunks, which are the ids of their entries in the result stream: `time-sequence`, where `time` is the first half of the
 * id of the job's entry, and `sequence` is the delivery times `PER_DELIVERY` plus the number of the chunk within the run, from 1
 * on. So ids rise from one delivery to the next, an entry that is sent again has the same id and is refused by Redis, and a
 * gap shows.
 */

const PER_DELIVERY = 1e9;
/** Maximum number of a delivery, so that ids are exact numbers. */
const MOST_DELIVERIES = Math.floor(Number.MAX_SAFE_INTEGER / PER_DELIVERY) - 1;
const FORMAT = /^(\d{1,15})-(\d{1,16})$/;

/** Position in front of every chunk. */
const BEGINNING = '0-0';

/** @param {{ time: number, delivery: number, count: number }} parts */
function chunkId({ time, delivery, count }) {
  return `${time}-${Math.min(delivery, MOST_DELIVERIES) * PER_DELIVERY + count}`;
}

/** Returns the parts of an id, or `null` for another text. */
function partsOf(id) {
  const found = FORMAT.exec(id);
  if (found === null) return null;
  const [time, sequence] = [Number(found[1]), Number(found[2])];
  if (!Number.isSafeInteger(sequence)) return null;
  return { time, delivery: Math.floor(sequence / PER_DELIVERY), count: sequence % PER_DELIVERY };
}

/** Returns true if two ids are of one run. */
function isSameRun(one, other) {
  return one.time === other.time && one.delivery === other.delivery;
}

/** Returns true if an id comes after another one. */
function isAfter(one, other) {
  if (one.time !== other.time) return one.time > other.time;
  return one.delivery === other.delivery ? one.count > other.count : one.delivery > other.delivery;
}

module.exports = { BEGINNING, chunkId, isAfter, isSameRun, partsOf };
