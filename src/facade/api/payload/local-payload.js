'use strict';

const NOTHING = [];

/**
 * Payload values of a job that need no trip to Redis. A job has few of them, so they are in arrays: a Map costs more than the
 * search.
 */
class LocalPayload {
  /** @type {Array<[string, string | Buffer]>} */
  #pairs = [];
  /** Payload keys whose value came with a completion, and that no Redis key has. */
  #kept = NOTHING;
  /** Payload keys whose value a missed completion can have had. */
  #missed = NOTHING;

  /** @param {string} jobId id that the values belong to */
  constructor(jobId) {
    this.jobId = jobId;
  }

  /** Adds values. Values that are there win. @param {Iterable<[string, string | Buffer]>} pairs */
  add(pairs) {
    for (const [key, value] of pairs) if (this.find(key) === undefined) this.#pairs.push([key, value]);
  }

  /**
   * Adds the values that completions returned. They replace older ones.
   * @param {Array<[string, string | Buffer]>} pairs payload keys with their values; the last one of a key counts
   * @param {string[]} owed payload keys that only a completion can return
   * @param {boolean} isMissed true if a completion was missed
   */
  answer(pairs, owed, isMissed) {
    for (const [key, value] of pairs) {
      this.#drop(key);
      this.#pairs.push([key, value]);
    }
    for (const key of owed) {
      this.#missed = without(this.#missed, key);
      if (pairs.some(([answered]) => answered === key)) this.#kept = within(this.#kept, key);
      else if (isMissed) this.#missed = within(this.#missed, key);
    }
  }

  /** Returns true if a key without a value in Redis can have had one in a missed completion. */
  isMissed(key) {
    return this.#missed.includes(key);
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

  /** Forgets a key that was read, if Redis has it. The next read must see later writes. */
  consume(key) {
    if (!this.#kept.includes(key)) this.#drop(key);
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
      if (value !== undefined && this.find(key) === undefined) this.#pairs.push([key, value]);
      if (isKept) this.#kept = within(this.#kept, key);
      if (isMissed) this.#missed = within(this.#missed, key);
    }
  }

  /** @protected Returns what is known of a key; `null` if nothing. */
  stateOf(key) {
    const [value, isKept, isMissed] = [this.find(key), this.#kept.includes(key), this.#missed.includes(key)];
    return value === undefined && !isKept && !isMissed ? null : { value, isKept, isMissed };
  }

  /** @protected Forgets what is known of a key. */
  forget(key) {
    this.#drop(key);
    this.#kept = without(this.#kept, key);
    this.#missed = without(this.#missed, key);
  }

  #drop(key) {
    const at = this.#pairs.findIndex((pair) => pair[0] === key);
    if (at >= 0) this.#pairs.splice(at, 1);
  }
}

/** Returns the keys without one. */
function without(keys, key) {
  return keys.includes(key) ? keys.filter((other) => other !== key) : keys;
}

/** Returns the keys with one more. */
function within(keys, key) {
  return keys.includes(key) ? keys : [...keys, key];
}

module.exports = { LocalPayload, NOTHING, within, without };
