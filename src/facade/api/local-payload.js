'use strict';

/** Payload values of a job that need no trip to Redis. */
class LocalPayload {
  /** Payload keys whose value came with a completion, and that no Redis key has. */
  #kept = new Set();
  /** Payload keys whose value a missed completion can have had. */
  #missed = new Set();

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

  /**
   * Adds the values that completions returned. They replace older ones.
   * @param {Map<string, string | Buffer>} values by payload key
   * @param {string[]} owed payload keys that only a completion can return
   * @param {boolean} isMissed true if a completion was missed
   */
  answer(values, owed, isMissed) {
    for (const [key, value] of values) this.values.set(key, value);
    for (const key of owed) {
      this.#missed.delete(key);
      if (values.has(key)) this.#kept.add(key);
      else if (isMissed) this.#missed.add(key);
    }
  }

  /** Returns true if a key without a value in Redis can have had one in a missed completion. */
  isMissed(key) {
    return this.#missed.has(key);
  }

  /** Returns the value of a key; `undefined` if Redis must be asked. */
  read(key) {
    return this.values.get(key);
  }

  /** Forgets keys that were read, if Redis has them. The next read must see later writes. */
  consume(keys) {
    for (const key of keys) if (!this.#kept.has(key)) this.values.delete(key);
  }

  /** Notes the removal of a key. @returns {boolean} true if the removal must wait for the settlement */
  remove(key) {
    this.#forget(key);
    return false;
  }

  /** Notes writes. */
  write(sets) {
    for (const { key } of sets) this.#forget(key);
  }

  #forget(key) {
    this.values.delete(key);
    this.#kept.delete(key);
    this.#missed.delete(key);
  }
}

module.exports = { LocalPayload };
