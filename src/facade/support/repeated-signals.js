'use strict';

const { now } = require('./timers.js');

/**
 * Time after a signal in which another one repeats it, in ms. npm, tsx and process managers forward a signal that the whole
 * process group receives anyway.
 */
const REPEAT_TIME = 500;

/** Distinguishes a new signal from a repetition of the first one, whatever their names. */
class RepeatedSignals {
  #first = null;

  /** Records a signal. @returns {boolean} true if it repeats the first one */
  isRepeated() {
    if (this.#first === null) {
      this.#first = now();
      return false;
    }
    return this.left() > 0;
  }

  /** Returns the time in which a signal would still repeat the first one, in ms. */
  left() {
    return this.#first === null ? 0 : Math.max(0, this.#first + REPEAT_TIME - now());
  }
}

module.exports = { RepeatedSignals, now };
