'use strict';

const { performance } = require('node:perf_hooks');

/**
 * For how many ms after a signal another one is the same: npm, tsx and process managers pass on what the whole group of
 * processes gets anyway.
 */
const SAME = 500;

/** Taken once: tests replace it by a clock of their own. */
const now = performance.now.bind(performance);

/** Tells signals from repetitions of them, whichever of several signals they are. */
class RepeatedSignals {
  #first = null;

  /** A signal has come. @returns {boolean} whether it is the same as the first one */
  isRepeated() {
    if (this.#first === null) {
      this.#first = now();
      return false;
    }
    return this.left() > 0;
  }

  /** For how many ms a signal would be the same as the first one. */
  left() {
    return this.#first === null ? 0 : Math.max(0, this.#first + SAME - now());
  }
}

module.exports = { RepeatedSignals, now };
