'use strict';

const { setErrorKind } = require('../../support/errors.js');

/** Send of several jobs, which begins when the middleware of each of them has called `next()` or has ended. */
class JointSend {
  #entries;
  #dispatch;
  #isAtomic;
  /** Functions that settle the promise of an entry, for entries whose middleware has called `next()`. */
  #arrived = new Map();
  /** Entries whose middleware has not called `next()` yet. */
  #expected;

  /**
   * @param {object[]} entries
   * @param {(entries: object[]) => Array<Promise<unknown>>} dispatch
   * @param {boolean} isAtomic true if all jobs are sent or none
   */
  constructor(entries, dispatch, isAtomic) {
    this.#entries = entries;
    this.#dispatch = dispatch;
    this.#isAtomic = isAtomic;
    this.#expected = new Set(entries);
  }

  /** Adds a job whose middleware has called `next()`. @returns {Promise<unknown>} settles with the send of the job */
  arrive(entry) {
    return new Promise((resolve, reject) => {
      this.#arrived.set(entry, { resolve, reject });
      this.leave(entry);
    });
  }

  /** Notes that the middleware of a job has ended. */
  leave(entry) {
    if (this.#expected.delete(entry) && this.#expected.size === 0) this.#start();
  }

  #start() {
    const entries = this.#entries.filter((entry) => this.#arrived.has(entry));
    const waits = entries.map((entry) => this.#arrived.get(entry));
    try {
      if (this.#isAtomic && entries.length < this.#entries.length) throw aborted();
      const promises = entries.length === 0 ? [] : this.#dispatch(entries);
      for (const [index, promise] of promises.entries()) promise.then(waits[index].resolve, waits[index].reject);
    } catch (error) {
      for (const { reject } of waits) reject(error);
    }
  }
}

function aborted() {
  const message = 'The job was not sent: the middleware of another job of the transaction has refused that one';
  return setErrorKind(new Error(message), 'SEND_ABORTED');
}

module.exports = { JointSend };
