'use strict';

/**
 * Payload values of a job that need no trip to Redis. A job has few of them, so they are in an array of pairs: a Map costs more
 * than the search.
 */
class LocalPayload {
  /** @type {Array<[string, string | Buffer]>} */
  #pairs = [];
  /** Payload keys whose answer was missed. */
  #missed = null;
  /** True if Redis has none of the values. */
  #isOnlyCopy = false;

  /** @param {string} jobId id that the values belong to */
  constructor(jobId) {
    this.jobId = jobId;
  }

  /** Adds values. Values that are there win. @param {Iterable<[string, string | Buffer]>} pairs */
  add(pairs) {
    for (const pair of pairs) if (this.find(pair[0]) === undefined) this.#pairs.push(pair);
  }

  /** Adds the answer to a job whose entry is the only copy, and the keys whose answer was missed. */
  addOnlyCopy(pairs, missed) {
    this.add(pairs);
    this.#isOnlyCopy = true;
    this.#missed = missed;
  }

  /** Returns true if the answer with this key was missed. Redis has the value only if it was too large for an answer. */
  isMissed(key) {
    return this.#missed?.includes(key) ?? false;
  }

  /** Returns the value of a key; `undefined` without one. */
  find(key) {
    for (const pair of this.#pairs) if (pair[0] === key) return pair[1];
    return undefined;
  }

  /** Returns the value of a key; `undefined` if Redis must be asked. */
  read(key) {
    return this.find(key);
  }

  /** Forgets a key that was read. The next read must see later writes. Without a Redis key a value can be read again. */
  consume(key) {
    if (!this.#isOnlyCopy) this.forget(key);
  }

  /** Notes the removal of a key. @returns {boolean} true if the removal must wait for the settlement */
  remove(key) {
    this.forget(key);
    return false;
  }

  /** Notes writes. */
  write(sets) {
    for (const { key } of sets) {
      this.forget(key);
      if (this.#missed !== null) this.#missed = this.#missed.filter((missed) => missed !== key);
    }
  }

  /** Forgets the value of a key. */
  forget(key) {
    const at = this.#pairs.findIndex((pair) => pair[0] === key);
    if (at >= 0) this.#pairs.splice(at, 1);
  }
}

module.exports = { LocalPayload };
