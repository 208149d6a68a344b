'use strict';

const requests = require('../../bridge/pending-requests.js');
const { setErrorKind } = require('../../support/errors.js');

/** Request of several jobs that are sent in one transaction. */
class SendTogether extends requests.Request {
  /** Requests of the jobs, in the order of their entries. */
  #members = [];

  constructor() {
    super(undefined);
    // The promises of the members have the outcome.
    this.promise.catch(() => {});
  }

  /** Adds the request of a job. */
  add(request) {
    request.promise.catch(() => {});
    this.#members.push(request);
  }

  /** Returns the promises of the jobs. */
  get promises() {
    return this.#members.map(({ promise }) => promise);
  }

  /** Rejects one job, which Redis has refused within the transaction. */
  called(index, error) {
    this.#members[index].failed(error);
  }

  failed(error) {
    for (const request of this.#members) request.failed(error);
    super.failed(error);
  }

  done() {
    for (const request of this.#members) request.done();
    super.done();
  }
}

/**
 * Validates sends, each with `check`. The error of an invalid one names its index.
 * @template T
 * @param {unknown} sends
 * @param {(options: unknown) => T} check
 * @returns {T[]}
 */
function checkAll(sends, check) {
  if (!Array.isArray(sends)) throw new TypeError('sends must be an array');
  return Array.from(sends, (options, index) => {
    try {
      return check(options);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
      throw new error.constructor(`sends[${index}]: ${error.message}`, { cause: error });
    }
  });
}

/** Refuses a job that is sent twice with an entry as the only copy: the first send takes its values. */
function refuseSharedValues(entries) {
  const seen = new Map();
  for (const [index, { job, isOnlyCopy }] of entries.entries()) {
    const isShared = seen.has(job);
    if (isShared && (isOnlyCopy || seen.get(job))) {
      throw new TypeError(`sends[${index}]: payload: 'entry' needs a job of its own`);
    }
    seen.set(job, isOnlyCopy);
  }
}

/** Refuses idempotency ids and delays in a transaction. */
function refuseIds(entries) {
  const index = entries.findIndex(({ once }) => once !== null);
  if (index >= 0) throw new TypeError(`sends[${index}]: id and delay cannot be combined with atomic`);
}

/** Resolves with the sent jobs in order, or rejects with the reason of each job that was not sent. */
async function allSent(promises) {
  const results = await Promise.allSettled(promises);
  const reasons = results.filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
  if (reasons.length === 0) return results.map(({ value }) => value);
  const [cause] = reasons;
  const message = `${reasons.length} of ${results.length} jobs were not sent: ${cause?.message}`;
  const error = new AggregateError(reasons, message, { cause });
  // Not enumerable, as `errors`: a log shows each reason once.
  Object.defineProperty(error, 'results', { value: results, configurable: true, writable: true });
  throw setErrorKind(error, 'SEND_ALL_FAILED');
}

module.exports = { SendTogether, allSent, checkAll, refuseIds, refuseSharedValues };
