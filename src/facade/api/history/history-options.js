'use strict';

const checks = require('../../options/validate.js');
const { isEntryId, predecessor } = require('../../redis/entry-ids.js');
const { signalOf } = require('../../support/abort.js');

/** Position before the first possible entry. */
const BEGINNING = '0-0';
/** Default of the maximum time of one blocking read, in ms. */
const BLOCK_TIMEOUT = 5000;

/**
 * Validates the options of a history.
 * @returns {{ stream: string, route: string, start: string | null, isTime: boolean, isLive: boolean, blockTimeout: number,
 *   signal?: object, onTrimmed?: Function }} `start` is the id after which to read, `$` for the end, or `null` for the oldest entry
 */
function historyOptions(given) {
  const options = checks.object('options', given);
  const { fromId, since, route } = options;
  const stream = checks.name('stream', options.stream);
  if (!checks.isMissing(fromId) && !checks.isMissing(since)) throw new TypeError('fromId excludes since');
  if (typeof route === 'symbol') throw new TypeError('route must be a string: a history reads one node');
  return {
    stream,
    route: checks.string('route', route) ?? stream,
    start: checks.isMissing(since) ? idOf(fromId) : idBefore(since),
    isTime: !checks.isMissing(since),
    isLive: Boolean(options.live),
    blockTimeout: checks.count('blockTimeout', options.blockTimeout, { least: 1, fallback: BLOCK_TIMEOUT }),
    signal: signalOf('signal', options.signal),
    onTrimmed: checks.callback('onTrimmed', options.onTrimmed),
  };
}

function idOf(fromId) {
  // A number of 2 ** 53 or more is not exact, and an id with a sequence is no number.
  if (!checks.isMissing(fromId) && typeof fromId !== 'string') throw new TypeError('fromId must be a string');
  if (checks.isMissing(fromId) || fromId === '$') return fromId ?? null;
  if (!isEntryId(fromId)) throw new RangeError("fromId must be the id of an entry, '0' or '$'");
  return fromId.includes('-') ? fromId : `${fromId}-0`;
}

/** Returns the id before the first entry of a time. */
function idBefore(since) {
  const ms = Object.prototype.toString.call(since) === '[object Date]' ? since.getTime() : since;
  if (typeof ms !== 'number') throw new TypeError('since must be a Date or a number of milliseconds');
  if (!Number.isSafeInteger(ms) || ms < 0) throw new RangeError('since must be a valid time from 1970 on');
  return predecessor(`${ms}-0`) ?? BEGINNING;
}

module.exports = { BEGINNING, historyOptions };
