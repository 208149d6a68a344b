'use strict';

const { percentile } = require('./numbers.js');

/** How long things took, in ms. */
class Latencies {
  #took;
  #count = 0;

  /** @param {number} most so many are kept */
  constructor(most) {
    this.#took = new Float64Array(most);
  }

  /** Does something, and takes down how long that takes. */
  async time(act) {
    const start = performance.now();
    await act();
    this.#took[this.#count++] = performance.now() - start;
  }

  /** How many there were, and what a share of them did not exceed. */
  summary() {
    const sorted = this.#took.subarray(0, this.#count).sort();
    const [p50, p95, p99, p999] = [0.5, 0.95, 0.99, 0.999].map((share) => percentile(sorted, share));
    return { jobs: this.#count, p50, p95, p99, p999 };
  }
}

module.exports = { Latencies };
