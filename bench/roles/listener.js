'use strict';

const { BasePart } = require('./part.js');

/** Hears completions of jobs that others have sent. */
class Part extends BasePart {
  #heard = new Map();
  #waiting = null;

  async prepare() {
    for (const stream of this.options.streams) {
      this.#heard.set(stream, 0);
      await this.program.hear(stream, () => this.#hear(stream));
    }
  }

  /** Resolves once so many have been heard of on a stream, from the beginning on. */
  async hear(stream, count) {
    if (this.#heard.get(stream) >= count) return;
    await new Promise((resolve) => {
      this.#waiting = { stream, count, resolve };
    });
  }

  /** Returns channel and message of a completion. */
  completionOf(stream) {
    return this.program.completionOf(stream);
  }

  #hear(stream) {
    const count = this.#heard.get(stream) + 1;
    this.#heard.set(stream, count);
    if (this.#waiting?.stream === stream && this.#waiting.count === count) this.#waiting.resolve();
  }
}

module.exports = { Part };
