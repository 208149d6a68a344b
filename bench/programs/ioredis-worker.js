'use strict';

const { setImmediate: nextTurn } = require('node:timers/promises');

const GROUP = 'bench';
const NAME = 'worker';
/** Maximum time of one blocking read, in ms. */
const BLOCK = 5000;
/** Separates a job, which never contains it, from the answer in a completion. */
const SEPARATOR = ':';
/** Interval of the search for idle entries, and their minimum idle time, in ms. */
const CLAIM = { every: 1000, idle: 60_000 };

/** Reads entries of a stream for as many free slots as there are, and acknowledges what one tick has done at once. */
class IoredisWorker {
  #commands;
  #blocking;
  #options;
  #running = 0;
  #ahead = [];
  #isOver = false;
  #onFree = null;
  #acknowledged = [];
  #acknowledging = null;
  #claimer = null;

  /**
   * @param {object} commands a client with auto-pipelining
   * @param {object} blocking a client for reads
   * @param {object} options
   * @param {string} options.stream
   * @param {number} options.concurrency
   * @param {number} options.readAhead number of entries that are read beyond the free slots
   * @param {(job: string, inbound?: string) => Promise<string | void>} options.processor its result is in the completion
   * @param {object} options.errors
   */
  constructor(commands, blocking, options) {
    this.#commands = commands;
    this.#blocking = blocking;
    this.#options = options;
  }

  async start() {
    await this.#commands.xgroup('CREATE', this.#options.stream, GROUP, '0', 'MKSTREAM').catch((error) => {
      if (!error.message.startsWith('BUSYGROUP')) throw error;
    });
    this.#claimer = setInterval(() => this.#attempt(this.#claim()), CLAIM.every);
    this.#attempt(this.#read());
  }

  /** Reads nothing more; resolves once everything has run and is acknowledged. */
  async stop() {
    this.#isOver = true;
    clearInterval(this.#claimer);
    this.#blocking.disconnect();
    while (this.#running > 0) await nextTurn();
    await this.#acknowledging;
  }

  async #read() {
    const { stream, concurrency, readAhead } = this.#options;
    // One read for half of the entries ahead, instead of one for each.
    const least = Math.max(1, readAhead / 2);
    while (!this.#isOver) {
      const free = concurrency + readAhead - this.#running - this.#ahead.length;
      if (free < least) {
        await this.#freed();
        continue;
      }
      const limits = ['COUNT', free, 'BLOCK', BLOCK];
      const reply = await this.#blocking.xreadgroup('GROUP', GROUP, NAME, ...limits, 'STREAMS', stream, '>');
      this.#ahead.push(...(reply?.[0][1] ?? []));
      this.#begin();
    }
  }

  /** Resolves when there is a slot, and all the others that come free in the same turn. */
  async #freed() {
    await new Promise((resolve) => {
      this.#onFree = resolve;
    });
    await nextTurn();
  }

  async #claim() {
    const { stream, concurrency } = this.#options;
    const free = concurrency - this.#running;
    if (free <= 0) return;
    const limits = [CLAIM.idle, '0', 'COUNT', free];
    const [, entries] = await this.#commands.xautoclaim(stream, GROUP, NAME, ...limits);
    for (const entry of entries) this.#run(entry);
  }

  #begin() {
    while (!this.#isOver && this.#ahead.length > 0 && this.#running < this.#options.concurrency) {
      this.#run(this.#ahead.shift());
    }
  }

  async #run([id, [, job, , reply, , inbound]]) {
    this.#running++;
    try {
      const answer = await this.#options.processor(job, inbound);
      this.#acknowledge(id);
      this.#attempt(this.#commands.publish(reply, answer === undefined ? job : `${job}${SEPARATOR}${answer}`));
    } catch (error) {
      this.#options.errors.add(error);
    }
    this.#running--;
    this.#begin();
    this.#onFree?.();
    this.#onFree = null;
  }

  #acknowledge(id) {
    this.#acknowledged.push(id);
    if (this.#acknowledged.length > 1) return;
    process.nextTick(() => {
      const ids = this.#acknowledged;
      this.#acknowledged = [];
      this.#acknowledging = this.#attempt(this.#commands.xack(this.#options.stream, GROUP, ...ids));
    });
  }

  #attempt(promise) {
    return promise.catch((error) => {
      if (!this.#isOver) this.#options.errors.add(error);
    });
  }
}

/** The job and the answer of a completion. */
function completionFrom(message) {
  const end = message.indexOf(SEPARATOR);
  return end < 0 ? { job: message } : { job: message.slice(0, end), answer: message.slice(end + 1) };
}

module.exports = { IoredisWorker, completionFrom };
