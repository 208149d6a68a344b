'use strict';

const { say } = require('./say.js');

/** Progress of a benchmark, with an estimate of the remaining time. */
class Progress {
  #all;
  #done = 0;
  #start = performance.now();

  /** @param {number} all how many runs there will be */
  constructor(all) {
    this.#all = all;
  }

  done(text) {
    this.#done++;
    const each = (performance.now() - this.#start) / this.#done;
    const minutes = (each * (this.#all - this.#done)) / 60_000;
    say(`${this.#done} of ${this.#all}, about ${minutes.toFixed(1)} min left: ${text}`);
  }

  /** One that will not be. */
  skip() {
    this.#all--;
  }
}

module.exports = { Progress };
