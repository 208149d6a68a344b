'use strict';

const checks = require('./validate.js');

const GROWTHS = ['fixed', 'exponential'];
/** Maximum size of a page, which exceeds the pending entries of any group. */
const LARGEST_PAGE = 2 ** 31;

/** Converts the options for claiming into those of the engine. A negative number means no limit. */
function claimOptions(options) {
  const interval = checks.time('claimInterval', options.claimInterval) ?? 0;
  const page = checks.count('claimPageSize', options.claimPageSize, { least: 1 });
  const retryLimit = checks.count('retryLimit', options.retryLimit, { least: 1, endless: true });
  return {
    claimInterval: interval === Infinity ? -1 : interval,
    claimDeadline: endless(checks.time('claimDeadline', options.claimDeadline)),
    claimPageSize: page === undefined ? undefined : Math.min(page, LARGEST_PAGE),
    retryLimit: endless(retryLimit),
    retryPolicy: backoff(options.backoff),
    deadLetter: checks.string('deadLetter', options.deadLetter) || undefined,
    removeIdle: endless(checks.time('removeIdleConsumers', options.removeIdleConsumers)),
  };
}

function backoff(given) {
  if (given === undefined || given === null) return undefined;
  const { type, delay, max, jitter } = checks.object('backoff', given);
  if (!GROWTHS.includes(type)) throw new TypeError("backoff.type must be 'fixed' or 'exponential'");
  const part = checks.toNumber('backoff.jitter', jitter) ?? 0;
  if (!(part >= 0 && part <= 1)) throw new RangeError('backoff.jitter must be a number from 0 to 1');
  const wait = checks.time('backoff.delay', delay);
  if (wait === undefined || wait === Infinity) throw new TypeError('backoff.delay must be a number of milliseconds');
  const longest = checks.time('backoff.max', max, Infinity);
  return { exponential: type === 'exponential', delay: wait, max: endless(longest), jitter: part };
}

function endless(value) {
  return value === Infinity ? -1 : value;
}

module.exports = { claimOptions };
