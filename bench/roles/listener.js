'use strict';

const { BasePart } = require('./part.js');

/** Receives completions of jobs of other producers. */
class Part extends BasePart {
  #received = new Map();
  #waiting = null;

  async prepare() {
    for (const stream of this.options.streams) {
      this.#received.set(stream, 0);
      await this.program.hear(stream, () => this.#hear(stream));
    }
  }

  /** Resolves after `count` completions of a stream, from the beginning on. */
  async hear(stream, count) {
    if (this.#received.get(stream) >= count) return;
    await new Promise((resolve) => {
      this.#waiting = { stream, count, resolve };
    });
  }

  /** Returns channel and message of a completion. */
  completionOf(stream) {
    return this.program.completionOf(stream);
  }

  #hear(stream) {
    const count = this.#received.get(stream) + 1;
    this.#received.set(stream, count);
    if (this.#waiting?.stream === stream && this.#waiting.count === count) this.#waiting.resolve();
  }
}

module.exports = { Part };
