'use strict';

const { LocalPayload, NOTHING, within, without } = require('./local-payload.js');
const { copied } = require('./payload-values.js');

/** Maximum size of one value of an answer, in bytes. */
const LARGEST_ANSWER_VALUE = 1024;
/** Maximum size of an answer, in bytes. */
const LARGEST_ANSWER = 4096;

/** Payload of one delivery: the values that came with its entry, and the changes that leave with its settlement. */
class Delivery extends LocalPayload {
  /** Keys whose value came with the entry, until they are written. */
  #carried = NOTHING;
  /** Keys to remove with the settlement. */
  #removals = NOTHING;
  /** Values of keys to return that were pushed, by key; `null` before the first. */
  #written = null;
  #returns = NOTHING;
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
    this.#carried = values.map(([key]) => key);
    this.add(values);
    this.#returns = returns;
    this.#isOnlyCopy = isOnlyCopy;
  }

  read(key) {
    return this.#removals.includes(key) ? null : this.find(key);
  }

  consume(key) {
    // Without a Redis key a value can be read again.
    if (!this.#isOnlyCopy || !this.#carried.includes(key)) super.consume(key);
  }

  remove(key) {
    super.consume(key);
    this.#written?.delete(key);
    if (!this.#defersRemovals && !this.#carried.includes(key)) return false;
    this.#removals = within(this.#removals, key);
    return true;
  }

  write(sets) {
    const known = super.write(sets);
    for (const { key, value } of sets) {
      if (!this.#returns.includes(key)) continue;
      this.#written ??= new Map();
      this.#written.set(key, copied(value));
    }
    return known;
  }

  restore(known) {
    super.restore(known);
    for (const [key, { isCarried, isRemoved, written }] of known) {
      if (isCarried) this.#carried = within(this.#carried, key);
      if (isRemoved) this.#removals = within(this.#removals, key);
      if (written === undefined) this.#written?.delete(key);
      else this.#written.set(key, written);
    }
  }

  stateOf(key) {
    const state = super.stateOf(key);
    const [isCarried, isRemoved] = [this.#carried.includes(key), this.#removals.includes(key)];
    const isUnknown = state === null && !isCarried && !isRemoved && !this.#returns.includes(key);
    return isUnknown ? null : { ...state, isCarried, isRemoved, written: this.#written?.get(key) };
  }

  forget(key) {
    super.forget(key);
    this.#carried = without(this.#carried, key);
    this.#removals = without(this.#removals, key);
  }

  /** Returns the values that only the entry has, for another send of the job. */
  forwarded() {
    if (!this.#isOnlyCopy) return NOTHING;
    const found = this.#carried.map((key) => ({ key, value: this.find(key), timeout: 0 }));
    return found.filter(({ value }) => value !== undefined);
  }

  /**
   * Returns the changes that leave with the settlement.
   * @param {Array<{ key: string, value: string | Uint8Array, timeout: number }>} sets values that were set and not pushed
   */
  changes(sets) {
    const answers = this.#returns.length > 0 ? this.#answers(sets) : NOTHING;
    for (const { key } of sets) this.#removals = without(this.#removals, key);
    if (!this.#isOnlyCopy) return { jobId: this.jobId, removals: this.#removals, writes: sets, answers };
    const isAnswered = (key) => answers.some(([answered]) => answered === key);
    return {
      jobId: this.jobId,
      removals: this.#removals.filter((key) => !this.#carried.includes(key)),
      // A key that was pushed must not keep an older value.
      writes: sets.filter(({ key }) => !isAnswered(key) || this.#written?.has(key)),
      answers,
    };
  }

  /** Returns true if the settlement changes nothing. */
  isUnchanged() {
    return this.#removals.length === 0 && this.#returns.length === 0;
  }

  /** Returns the values for the completion that are small enough, by key. */
  #answers(sets) {
    const answers = [];
    let size = 0;
    for (const key of this.#returns) {
      const value = sets.findLast((set) => set.key === key)?.value ?? this.#written?.get(key);
      if (value === undefined || value.length > LARGEST_ANSWER_VALUE) continue;
      const length = Buffer.byteLength(value);
      if (length > LARGEST_ANSWER_VALUE || size + length > LARGEST_ANSWER) continue;
      size += length;
      answers.push([key, value]);
    }
    return answers;
  }
}

module.exports = { Delivery };
