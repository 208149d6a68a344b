'use strict';

/** Modulus of a token that gives the index of its slot. */
const SLOTS = 2 ** 24;
/** Token of a slot without a value. */
const NONE = -1;

/**
 * Values of jobs that start next, by token. Each has the place of its slot.
 *
 * The list replaces a Map. A Map with as many removals as additions gets a new table again and again, and a table that V8 has
 * moved to old space keeps all later ones, with their values, until the next full collection.
 */
class SlotValues {
  /** Tokens of the values, by slot. */
  #tokens = [];
  #values = [];
  #size = 0;

  /** Returns the index of the slot of a token. */
  static indexOf(token) {
    return token % SLOTS;
  }

  get isEmpty() {
    return this.#size === 0;
  }

  /** Sets the value of a token, which replaces that of an earlier token of its slot. */
  set(token, value) {
    const index = SlotValues.indexOf(token);
    if ((this.#tokens[index] ?? NONE) === NONE) this.#size++;
    this.#tokens[index] = token;
    this.#values[index] = value;
  }

  /** Returns the value of a token; `undefined` without one. */
  get(token) {
    const index = SlotValues.indexOf(token);
    return this.#tokens[index] === token ? this.#values[index] : undefined;
  }

  /** Removes and returns the value of a token; `undefined` without one. */
  take(token) {
    const index = SlotValues.indexOf(token);
    if (this.#tokens[index] !== token) return undefined;
    const value = this.#values[index];
    this.#tokens[index] = NONE;
    this.#values[index] = undefined;
    this.#size--;
    return value;
  }

  clear() {
    this.#tokens = [];
    this.#values = [];
    this.#size = 0;
  }
}

module.exports = { SlotValues };
