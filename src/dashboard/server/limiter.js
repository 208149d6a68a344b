'use strict';

/** Runs at most `most` functions at a time. Others wait for their turn. */
class Limiter {
  #free;
  #waiting = [];

  constructor(most) {
    this.#free = most;
  }

  async run(act) {
    if (this.#free > 0) this.#free--;
    else await new Promise((resolve) => this.#waiting.push(resolve));
    try {
      return await act();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

module.exports = { Limiter };
