'use strict';

/** Reported errors. A run with an error is no measurement. */
class Errors {
  #first = null;

  add(error) {
    this.#first ??= error;
  }

  /** Throws the first. */
  check() {
    if (this.#first) throw this.#first;
  }
}

module.exports = { Errors };
