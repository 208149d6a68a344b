'use strict';

const { LocalPayload } = require('./local-payload.js');
const { copied } = require('./payload-values.js');

/** Maximum size of one value of an answer, in bytes. */
const LARGEST_ANSWER_VALUE = 1024;
/** Maximum size of an answer, in bytes. */
const LARGEST_ANSWER = 4096;

/** Payload of one delivery: the values that came with its entry, and the changes that leave with its settlement. */
class Delivery extends LocalPayload {
  /** Keys whose value came with the entry, until they are written. */
  #carried = new Set();
  /** Keys to remove with the settlement. */
  #removals = new Set();
  /** Values of keys to return that were pushed, by key. */
  #written = new Map();
  #returns = [];
  #isOnlyCopy = false;
  #defersRemovals;

  /**
   * @param {string} jobId id of the delivered job
   * @param {boolean} defersRemovals true if every removal waits for the settlement, not only those of carried keys
   */
  constructor(jobId, defersRemovals) {
    super(jobId);
    this.#defersRemovals = defersRemovals;
  }

  /**
   * Adds the payload that the entry carries.
   * @param {{ values: Array<[string, string | Buffer]>, returns: string[], isOnlyCopy: boolean }} carried
   */
  carry({ values, returns, isOnlyCopy }) {
    for (const [key] of values) this.#carried.add(key);
    this.add(values);
    this.#returns = returns;
    this.#isOnlyCopy = isOnlyCopy;
  }

  read(key) {
    return this.#removals.has(key) ? null : this.values.get(key);
  }

  consume(keys) {
    // Without a Redis key a value can be read again.
    super.consume(this.#isOnlyCopy ? keys.filter((key) => !this.#carried.has(key)) : keys);
  }

  remove(key) {
    this.values.delete(key);
    this.#written.delete(key);
    if (!this.#defersRemovals && !this.#carried.has(key)) return false;
    this.#removals.add(key);
    return true;
  }

  write(sets) {
    const known = super.write(sets);
    for (const { key, value } of sets) if (this.#returns.includes(key)) this.#written.set(key, copied(value));
    return known;
  }

  restore(known) {
    super.restore(known);
    for (const [key, { isCarried, isRemoved, written }] of known) {
      if (isCarried) this.#carried.add(key);
      if (isRemoved) this.#removals.add(key);
      if (written === undefined) this.#written.delete(key);
      else this.#written.set(key, written);
    }
  }

  stateOf(key) {
    const [state, isCarried, isRemoved] = [super.stateOf(key), this.#carried.has(key), this.#removals.has(key)];
    const isUnknown = state === null && !isCarried && !isRemoved && !this.#returns.includes(key);
    return isUnknown ? null : { ...state, isCarried, isRemoved, written: this.#written.get(key) };
  }

  forget(key) {
    super.forget(key);
    this.#carried.delete(key);
    this.#removals.delete(key);
  }

  /** Returns the values that only the entry has, for another send of the job. */
  forwarded() {
    if (!this.#isOnlyCopy) return [];
    const keys = [...this.#carried].filter((key) => this.values.has(key));
    return keys.map((key) => ({ key, value: this.values.get(key), timeout: 0 }));
  }

  /**
   * Returns the changes that leave with the settlement.
   * @param {Array<{ key: string, value: string | Uint8Array, timeout: number }>} sets values that were set and not pushed
   */
  changes(sets) {
    for (const { key } of sets) this.#removals.delete(key);
    const last = new Map(sets.map(({ key, value }) => [key, value]));
    const answers = this.#answers(last);
    // A key that was pushed must not keep an older value.
    const isAnswered = (key) =>
      this.#isOnlyCopy && !this.#written.has(key) && answers.some(([answered]) => answered === key);
    const isEntryOnly = (key) => this.#isOnlyCopy && this.#carried.has(key);
    return {
      removals: [...this.#removals].filter((key) => !isEntryOnly(key)),
      writes: sets.filter(({ key }) => !isAnswered(key)),
      answers,
    };
  }

  /** Returns true if the settlement changes nothing. */
  isUnchanged() {
    return this.#removals.size === 0 && this.#returns.length === 0;
  }

  /** Returns the values for the completion that are small enough, by key. */
  #answers(last) {
    const answers = [];
    let size = 0;
    for (const key of this.#returns) {
      const value = last.get(key) ?? this.#written.get(key);
      if (value === undefined) continue;
      const length = Buffer.byteLength(value);
      if (length > LARGEST_ANSWER_VALUE || size + length > LARGEST_ANSWER) continue;
      size += length;
      answers.push([key, value]);
    }
    return answers;
  }
}

module.exports = { Delivery };
