'use strict';

const { HttpError } = require('./http-error.js');

/** Maximum number of functions that wait. */
const QUEUE = 100;

/** Runs at most `most` functions at a time. Others wait for their turn. */
class Limiter {
  #free;
  #waiting = [];

  constructor(most) {
    this.#free = most;
  }

  async run(act) {
    if (this.#waiting.length >= QUEUE) throw new HttpError(503, 'Too many searches are running.');
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
