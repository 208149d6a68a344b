'use strict';

/** What was reported as an error. A run in which something went wrong has measured nothing. */
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
