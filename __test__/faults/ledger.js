'use strict';

/**
 * Ledger of numbered jobs: sent ones, with a `send()` that resolved, beside started and done ones. Times are of the
 * monotonic clock of this process.
 */
class Ledger {
  #sent = new Map();
  #refused = new Map();
  #starts = new Map();
  #done = new Map();
  /** By process: the highest number that was started there for the first time. */
  #highest = new Map();
  #disorder = 0;
  #lastProgress = performance.now();
  /** Jobs with another payload than the one sent, and jobs without a payload. */
  wrong = 0;
  absent = 0;

  /** Takes a line of a process; returns whether it was about a job. */
  take(process, [word, number, detail]) {
    const take = {
      sent: () => this.#sent.set(number, performance.now()),
      refused: () => this.#refused.set(number, detail),
      start: () => this.#start(process, number),
      done: () => this.#end(number),
      wrong: () => this.wrong++,
      absent: () => this.absent++,
    }[word];
    take?.();
    return take !== undefined;
  }

  get sent() {
    return this.#sent.size;
  }

  get refused() {
    return this.#refused.size;
  }

  get done() {
    return this.#done.size;
  }

  get started() {
    return this.#starts.size;
  }

  /** The numbers that were sent and not done. */
  get missing() {
    return [...this.#sent.keys()].filter((number) => !this.#done.has(number));
  }

  /** Of these those that were not sent in the `window` ms before one of some times. */
  missingBut(times, window) {
    const isClose = (sent) => times.some((time) => sent >= time - window && sent <= time);
    return this.missing.filter((number) => !isClose(this.#sent.get(number)));
  }

  /** Returns the number of repeated starts of jobs. */
  get duplicates() {
    let count = 0;
    for (const starts of this.#starts.values()) count += starts - 1;
    return count;
  }

  /** Returns the number of jobs that ran without a confirmed send. */
  get unknown() {
    return [...this.#starts.keys()].filter((number) => !this.#sent.has(number)).length;
  }

  /** Returns the number of jobs that a process first started after a job with a higher number. */
  get disorder() {
    return this.#disorder;
  }

  /** Returns the error codes of failed sends, with counts. */
  get refusals() {
    const counts = {};
    for (const code of this.#refused.values()) counts[code] = (counts[code] ?? 0) + 1;
    return counts;
  }

  get isDrained() {
    return this.missing.length === 0;
  }

  /** For how many ms nothing has been done. */
  get quiet() {
    return performance.now() - this.#lastProgress;
  }

  /** The first time after `since` that a job was done which is in a range, or null. */
  firstDone(since, isMeant = () => true) {
    let first = null;
    for (const [number, at] of this.#done) {
      if (at >= since && isMeant(number) && (first === null || at < first)) first = at;
    }
    return first;
  }

  isDone(number) {
    return this.#done.has(number);
  }

  isSent(number) {
    return this.#sent.has(number);
  }

  #start(process, number) {
    const starts = (this.#starts.get(number) ?? 0) + 1;
    this.#starts.set(number, starts);
    if (starts > 1) return;
    const highest = this.#highest.get(process) ?? -1;
    if (number < highest) this.#disorder++;
    else this.#highest.set(process, number);
  }

  #end(number) {
    this.#lastProgress = performance.now();
    if (!this.#done.has(number)) this.#done.set(number, this.#lastProgress);
  }
}

module.exports = { Ledger };
