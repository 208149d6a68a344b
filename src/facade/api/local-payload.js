'use strict';

/** Payload values of a job that need no trip to Redis. */
class LocalPayload {
  /** Payload keys without a known value, though no Redis key has one. */
  #unknown = null;

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

  /** Marks keys whose answer was missed, and that Redis does not have. */
  miss(keys) {
    this.#unknown = new Set(keys);
  }

  /** Returns true if neither this process nor Redis has the value of a key. */
  isUnknown(key) {
    return this.#unknown?.has(key) ?? false;
  }

  /** Returns the value of a key; `undefined` if Redis must be asked. */
  read(key) {
    return this.values.get(key);
  }

  /** Forgets keys that were read. The next read must see later writes. */
  consume(keys) {
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
      this.#unknown?.delete(key);
    }
  }
}

module.exports = { LocalPayload };
