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
    this.forget(key);
    return false;
  }

  /**
   * Notes writes of keys.
   * @returns {Array<[string, object]> | null} what was known of the keys, for `restore()` after a failure; `null` if nothing
   */
  write(sets) {
    let known = null;
    for (const { key } of sets) {
      const state = this.stateOf(key);
      if (state === null) continue;
      known ??= [];
      known.push([key, state]);
      this.forget(key);
    }
    return known;
  }

  /** Undoes `write()`. */
  restore(known) {
    for (const [key, { value, isKept, isMissed }] of known) {
      if (value !== undefined && !this.values.has(key)) this.values.set(key, value);
      if (isKept) this.#kept.add(key);
      if (isMissed) this.#missed.add(key);
    }
  }

  /** @protected Returns what is known of a key; `null` if nothing. */
  stateOf(key) {
    const [value, isKept, isMissed] = [this.values.get(key), this.#kept.has(key), this.#missed.has(key)];
    return value === undefined && !isKept && !isMissed ? null : { value, isKept, isMissed };
  }

  /** @protected Forgets what is known of a key. */
  forget(key) {
    this.values.delete(key);
    this.#kept.delete(key);
    this.#missed.delete(key);
  }
}

module.exports = { LocalPayload };
