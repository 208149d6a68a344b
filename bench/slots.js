'use strict';

/** So many at a time. */
class Slots {
  #free;
  #onFree = null;

  constructor(count) {
    this.#free = count;
  }

  /** Takes one, when there is one. Only one waits at a time. */
  async take() {
    if (this.#free === 0) {
      await new Promise((resolve) => {
        this.#onFree = resolve;
      });
    }
    this.#free--;
  }

  give() {
    this.#free++;
    this.#onFree?.();
    this.#onFree = null;
  }
}

module.exports = { Slots };
