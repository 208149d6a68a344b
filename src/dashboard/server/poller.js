'use strict';

/** Default time that polls go on after the last look, in ms. A page without events reads every 5 s. */
const LINGER = 15_000;
/** Maximum number of streams that are polled first. */
const MOST_IN_FOCUS = 200;

/**
 * One poller for all readers. It polls while somebody looks: while a reader is subscribed, and for a while after a page was
 * read.
 */
class Poller {
  #buses;
  #interval;
  #linger;
  #timer = null;
  #running = null;
  #isClosed = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Names of the streams that pages show, with the time of the last look, for each bus. */
  #focus = new Map();
  /** @type {Set<() => void>} */
  #readers = new Set();
  /** Number of the last poll. */
  round = 0;
  /** Error of the last poll. The program of the dashboard must not end by it. */
  #failure = null;

  /**
   * @param {Array<import('./bus/bus.js').Bus>} buses
   * @param {number} interval time between two polls, in ms
   * @param {number} [linger] time that polls go on after the last look, in ms
   */
  constructor(buses, interval, linger = LINGER) {
    this.#buses = buses;
    this.#interval = interval;
    this.#linger = linger;
  }

  /** Returns true while polls are due. */
  get isRunning() {
    return this.#timer !== null || this.#running !== null;
  }

  /** Notes a look. Resolves after the first poll if there was none for some time. */
  async look(bus, stream) {
    const now = performance.now();
    const isStale = now - this.#lookedAt > this.#linger && this.#readers.size === 0;
    this.#lookedAt = now;
    if (stream !== undefined) this.#focus.set(`${bus}\n${stream}`, { bus, stream, at: now });
    if (this.#focus.size > MOST_IN_FOCUS) this.#focus.delete(this.#focus.keys().next().value);
    if (this.#isClosed) return;
    if (!this.isRunning) this.#run();
    if (isStale || this.round === 0) await this.#running;
    if (this.#failure !== null) throw this.#failure;
  }

  /** Calls `onPoll` after each poll, until the returned function is called. */
  subscribe(onPoll) {
    this.#readers.add(onPoll);
    return () => {
      this.#lookedAt = performance.now();
      this.#readers.delete(onPoll);
    };
  }

  async close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#readers.clear();
    await this.#running;
  }

  #run() {
    this.#timer = null;
    this.#running = this.#poll().then(
      () => this.#ended(null),
      (error) => this.#ended(error),
    );
  }

  #ended(failure) {
    this.#failure = failure;
    this.#running = null;
    const isWatched = this.#readers.size > 0 || performance.now() - this.#lookedAt < this.#linger;
    if (this.#isClosed || !isWatched) return;
    this.#timer = setTimeout(() => this.#run(), this.#interval);
    this.#timer.unref();
  }

  async #poll() {
    await Promise.all(this.#buses.map((bus, index) => bus.poll(this.#focusOf(index))));
    this.round++;
    for (const onPoll of [...this.#readers]) onPoll();
  }

  #focusOf(index) {
    const now = performance.now();
    for (const [name, { at }] of this.#focus) if (now - at > this.#linger) this.#focus.delete(name);
    return new Set([...this.#focus.values()].filter(({ bus }) => bus === index).map(({ stream }) => stream));
  }
}

module.exports = { Poller };
