'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { PAGE, literal } = require('../../../inspection/scan.js');

/** Time between two searches of all keys, in ms. */
const INTERVAL = 30_000;
/** Number of SCAN in a row, and the pause after each further one, in ms. */
const FAST_PAGES = 100;
const PAUSE = 50;

/** Search for the streams of a bus by SCAN, which does not block Redis. */
class Discovery {
  #startedAt = Number.NEGATIVE_INFINITY;
  #isRunning = false;
  #ending = new AbortController();
  /** True once all keys were seen. */
  isComplete = false;
  /** Reason of a failure, such as a missing permission. */
  reason = null;

  /** @param {(server: object, keys: string[]) => void} onFound handles the keys of streams, page by page */
  constructor(onFound) {
    this.onFound = onFound;
  }

  /** Starts a search if the last one began `interval` ms ago. Resolves at its end, and never rejects. */
  async run(servers, at, interval = this.isComplete ? INTERVAL : INTERVAL / 10) {
    if (this.#isRunning || at - this.#startedAt < interval) return;
    this.#isRunning = true;
    this.#startedAt = at;
    try {
      await Promise.all(servers.filter(({ isUp }) => isUp).map((server) => this.#search(server)));
      this.isComplete = true;
      this.reason = null;
    } catch (error) {
      if (!this.#ending.signal.aborted) this.reason = error.message;
    } finally {
      this.#isRunning = false;
    }
  }

  async #search(server) {
    const pattern = `${literal(`${server.prefix}:str:`)}*`;
    let cursor = '0';
    let pages = 0;
    do {
      const [next, keys] = await server.client.call('scan', cursor, 'MATCH', pattern, 'COUNT', PAGE);
      if (keys.length > 0) this.onFound(server, keys);
      cursor = next;
      if (++pages > FAST_PAGES) await sleep(PAUSE, undefined, { signal: this.#ending.signal, ref: false });
    } while (cursor !== '0');
  }

  close() {
    this.#ending.abort();
  }
}

module.exports = { Discovery };
