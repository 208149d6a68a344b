'use strict';

const { percentile } = require('./numbers.js');

/** Recorded times, in ms. */
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

  /** Returns their number and quantiles. */
  summary() {
    const sorted = this.#took.subarray(0, this.#count).sort();
    const [p50, p95, p99, p999] = [0.5, 0.95, 0.99, 0.999].map((share) => percentile(sorted, share));
    return { jobs: this.#count, p50, p95, p99, p999 };
  }
}

module.exports = { Latencies };
