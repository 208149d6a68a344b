'use strict';

/** Payload values of a job that need no trip to Redis. */
class LocalPayload {
  /** Payload keys whose answer was missed. */
  #missed = null;
  /** True if Redis has none of the values. */
  #isOnlyCopy = false;

  /** @param {string} jobId id that the values belong to */
  constructor(jobId) {
    this.jobId = jobId;
    /** @type {Map<string, string | Buffer>} */
    this.values = new Map();
  }

  /** Adds values. Values that are there win. */
  add(values) {
    for (const [key, value] of values) if (!this.values.has(key)) this.values.set(key, value);
  }

  /** Adds the answer to a job whose entry is the only copy, and the keys whose answer was missed. */
  addOnlyCopy(values, missed) {
    this.add(values);
    this.#isOnlyCopy = true;
    this.#missed = new Set(missed);
  }

  /** Returns true if the answer with this key was missed. Redis has the value only if it was too large for an answer. */
  isMissed(key) {
    return this.#missed?.has(key) ?? false;
  }

  /** Returns the value of a key; `undefined` if Redis must be asked. */
  read(key) {
    return this.values.get(key);
  }

  /** Forgets keys that were read. The next read must see later writes. */
  consume(keys) {
    // Without a Redis key a value can be read again.
    if (this.#isOnlyCopy) return;
    for (const key of keys) this.values.delete(key);
  }

  /** Notes the removal of a key. @returns {boolean} true if the removal must wait for the settlement */
  remove(key) {
    this.values.delete(key);
    return false;
  }

  /** Notes writes. */
  write(sets) {
    for (const { key } of sets) {
      this.values.delete(key);
      this.#missed?.delete(key);
    }
  }
}

module.exports = { LocalPayload };
