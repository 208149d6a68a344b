'use strict';

const checks = require('../../options/validate.js');
const { DISTRIBUTED_ROUTING } = require('../../support/constants.js');

/** Default time for which `durable` keeps an outcome, in ms. */
const RECORD_TIME = 60 * 60 * 1000;
/** Default time for which an idempotency id is kept, in ms. */
const ID_TIME = 60 * 60 * 1000;
/** Maximum of that time. */
const LONGEST_ID_TIME = 365 * 24 * 60 * 60 * 1000;
/** Maximum delay of a send, in ms. */
const LONGEST_DELAY = 365 * 24 * 60 * 60 * 1000;
/** Time for which Redis knows a delayed send after its entry was added, in ms. */
const REPETITION_TIME = 60 * 1000;
/** Maximum length of an idempotency id. */
const LONGEST_ID = 512;
/** Half of a surrogate pair, which UTF-8 does not have. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Returns the id of the job to send. */
function jobId(job) {
  if (typeof job !== 'object' || job === null || job.id === undefined || job.id === null) {
    throw new TypeError('job must be a Job');
  }
  return checks.text('job.id', job.id);
}

/** Returns the route of the entry, by default its stream; `null` for a route by the job's id. */
function routeOf(route, stream) {
  if (route === DISTRIBUTED_ROUTING) return null;
  if (!route) return stream;
  return typeof route === 'symbol' ? String(route) : checks.name('route', route);
}

/** Returns the groups to wait for, each once; `null` for null, undefined and false. */
function groupsOf(waitFor) {
  if (waitFor === undefined || waitFor === null || waitFor === false) return null;
  if (!Array.isArray(waitFor) || waitFor.some((group) => typeof group !== 'string')) {
    throw new TypeError('waitFor must be an array of strings');
  }
  return [...new Set(waitFor)];
}

/** Returns the approximate maximum length of the stream; 0 for no limit. */
function length(capped) {
  if (!capped) return 0;
  const most = checks.toNumber('capped', capped);
  if (!Number.isSafeInteger(most) || most < 0) throw new RangeError('capped must be a whole number from 0 on');
  return most;
}

/** Returns the time for which the outcome is kept, in ms; 0 for none. */
function recordTime(durable) {
  if (durable === undefined || durable === null || durable === false) return 0;
  if (durable === true) return RECORD_TIME;
  if (typeof durable !== 'object') throw new TypeError('durable must be a boolean or an object');
  const ttl = checks.count('durable.ttl', durable.ttl, { least: 1, fallback: RECORD_TIME });
  if (!Number.isSafeInteger(ttl)) throw new RangeError('durable.ttl must be a whole number from 1 on');
  return ttl;
}

/** Returns the delay of a send in ms, and its due time if one is given; `null` without a delay, and for a time that is over. */
function delayOf({ delay, at }) {
  if (at === undefined || at === null) {
    const wait = checks.count('delay', delay, { least: 0, most: LONGEST_DELAY, fallback: 0 });
    return wait === 0 ? null : { delay: wait, due: 0 };
  }
  if (delay !== undefined && delay !== null) throw new TypeError('delay and at cannot be combined');
  const time = at instanceof Date ? at.getTime() : at;
  if (typeof time !== 'number') throw new TypeError('at must be a Date or a number of milliseconds');
  const due = Math.ceil(time);
  const wait = due - Date.now();
  if (!(wait <= LONGEST_DELAY)) throw new RangeError(`at must be a time within ${LONGEST_DELAY} ms from now`);
  return wait <= 0 ? null : { delay: wait, due };
}

/** Returns what makes a send one that takes effect once; `null` for a plain send. */
function onceAndDelay(given, job) {
  const once = given.id === undefined ? null : onceOf(given.id);
  const delay = given.delay === undefined && given.at === undefined ? null : delayOf(given);
  if (delay === null) return once;
  // Without an id of its own, the job can be sent again after its entry was added.
  return { ...(once ?? { id: job, ttl: REPETITION_TIME, isOfJob: true }), ...delay };
}

/** Returns the idempotency id and the time for which it is kept, in ms; `null` for none. */
function onceOf(id) {
  if (id === undefined || id === null) return null;
  if (typeof id === 'string') return { id: idempotencyId('id', id), ttl: ID_TIME };
  if (typeof id !== 'object') throw new TypeError('id must be a string or an object');
  const ttl = checks.count('id.ttl', id.ttl, { least: 1, most: LONGEST_ID_TIME, fallback: ID_TIME });
  return { id: idempotencyId('id.value', id.value), ttl };
}

function idempotencyId(name, id) {
  if (typeof id !== 'string') throw new TypeError(`${name} must be a string`);
  if (id === '' || id.length > LONGEST_ID) throw new RangeError(`${name} must have from 1 to ${LONGEST_ID} characters`);
  if (LONE_SURROGATE.test(id)) throw new TypeError(`${name} has half of a surrogate pair`);
  return id;
}

module.exports = { groupsOf, jobId, length, onceAndDelay, recordTime, routeOf };
