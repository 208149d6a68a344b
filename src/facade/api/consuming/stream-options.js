'use strict';

const checks = require('../../options/validate.js');
const { fairOptions } = require('../../options/fair-options.js');
const { limitOptions } = require('../../options/limit-options.js');
const { isEntryId } = require('../../redis/entry-ids.js');

/** Returns the options of a stream for the engine, without those of its partitions. `claimInterval` is that of the consumer. */
function streamOptions(given, claimInterval) {
  const { stream, readFrom, fromId, setId, prefetch } = given;
  const deadline = limit(given.deadline);
  const name = checks.name('stream', stream);
  return {
    name,
    stream: name,
    isPartition: false,
    lease: 0,
    fair: fairOptions(given.fair),
    limit: limitOptions(given.limit, { stream: name, claimInterval }),
    readFrom: position(readFrom),
    fromId: asId('fromId', fromId) ?? '$',
    setId: Boolean(setId),
    deadline,
    prefetch: checks.names('prefetch', prefetch),
  };
}

/** Returns the id after which to read; `>` for undelivered entries. */
function position(readFrom) {
  const id = asId('readFrom', readFrom) ?? '>';
  if (id !== '>' && !isEntryId(id)) throw new RangeError("readFrom must be '>' or an entry's id");
  return id;
}

/** Returns an id, or `undefined` without one. A number must be exact in JavaScript. */
function asId(name, id) {
  if (typeof id === 'number' && id > Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`${name} must be a string: a number of 2 ** 53 or more is not exact`);
  }
  return checks.string(name, id);
}

/** Returns the maximum time of a run, in ms; a negative number means no limit to the engine. */
function limit(deadline) {
  if (deadline === undefined) return 30000;
  if (!deadline) return -1;
  const ms = checks.time('deadline', deadline);
  return ms === Infinity ? -1 : ms;
}

module.exports = { streamOptions };
