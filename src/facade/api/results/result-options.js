'use strict';

const checks = require('../../options/validate.js');
const { signalOf } = require('../../support/abort.js');
const { partsOf } = require('./chunk-id.js');

/** Default of the maximum number of chunks that Redis keeps, about. */
const CAPPED = 10_000;
/** Default of the time after the last chunk for which Redis keeps a result, in ms. */
const TTL = 3_600_000;
/** Default of the maximum time without a chunk, in ms. */
const TIMEOUT = 600_000;

/** Limits of results without options. */
const DEFAULTS = { capped: CAPPED, ttl: TTL };

/** Validates the option `results` of a stream. @returns {{ capped: number, ttl: number }} */
function limitsOf(given) {
  if (given === undefined || given === null) return DEFAULTS;
  const { capped, ttl } = checks.object('results', given);
  return {
    capped: checks.count('results.capped', capped, { least: 1, most: 2 ** 31, fallback: CAPPED }),
    ttl: checks.count('results.ttl', ttl, { least: 1, most: 2 ** 40, fallback: TTL }),
  };
}

/**
 * Validates the options of a reader.
 * @param {object} given
 * @param {string[]} groups groups that the job is awaited from
 */
function readerOptions(given, groups) {
  const options = checks.object('options', given);
  const group = checks.string('group', options.group) ?? (groups.length === 1 ? groups[0] : undefined);
  if (group === undefined)
    throw new TypeError('group must be a string: it is known for a job with one group in waitFor');
  return {
    group,
    from: fromOf(options.from),
    signal: signalOf('signal', options.signal),
    timeout: timeoutOf(options.timeout),
    onTrimmed: checks.callback('onTrimmed', options.onTrimmed),
  };
}

/** Validates the stream and the job of a reader in another process. */
function resultOf(given) {
  const { stream, id } = checks.object('options', given);
  const name = checks.name('stream', stream);
  if (typeof id !== 'string' || id === '') throw new TypeError('id must be a string that is not empty');
  return { stream: name, id };
}

/** Returns the id after which to read; `null` for the beginning. An empty text, as from a missing header, is none. */
function fromOf(from) {
  if (from === undefined || from === null || from === '') return null;
  if (typeof from !== 'string') throw new TypeError('from must be a string');
  if (partsOf(from) === null) throw new RangeError('from must be the id of a chunk');
  return from;
}

/** Returns the maximum time without a chunk, in ms; Infinity for no limit. */
function timeoutOf(timeout) {
  const ms = checks.time('timeout', timeout, TIMEOUT);
  return ms === 0 ? Infinity : ms;
}

module.exports = { DEFAULTS, limitsOf, readerOptions, resultOf };
