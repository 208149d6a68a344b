'use strict';

/** Longest time before a due chunk in which the process polls, in ms: timers of Node have a resolution of 1 ms. */
const POLLED = 2;

/** Chunks of all connections, each held back for the same time. So one queue keeps the order of every direction. */
class DelayedChunks {
  #delay;
  #queue = [];
  #first = 0;
  #isRunning = false;

  /** @param {number} delay in ms */
  constructor(delay) {
    this.#delay = delay;
  }

  /** Calls back after the delay, and after all earlier callbacks. */
  hold(deliver) {
    this.#queue.push({ due: performance.now() + this.#delay, deliver });
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#wait();
  }

  #deliverDue() {
    while (this.#first < this.#queue.length && this.#queue[this.#first].due <= performance.now()) {
      this.#queue[this.#first++].deliver();
    }
    if (this.#first < this.#queue.length) {
      this.#wait();
      return;
    }
    this.#queue = [];
    this.#first = 0;
    this.#isRunning = false;
  }

  #wait() {
    const left = this.#queue[this.#first].due - performance.now();
    if (left > POLLED) setTimeout(() => this.#deliverDue(), left - POLLED);
    else setImmediate(() => this.#deliverDue());
  }
}

module.exports = { DelayedChunks };
