'use strict';

const { AsyncResource } = require('node:async_hooks');
const checks = require('../../options/validate.js');
const { LONGEST_TIMER } = require('../../support/constants.js');
const { clearTimeout, nextTick, setTimeout } = require('../../support/timers.js');
const { Job } = require('../job.js');

/** Collects the jobs of one stream into batches, and passes each batch to the processor. */
class JobBatch {
  #processor;
  #size;
  #wait;
  /** Jobs of the next batch, each with the functions that end its run. */
  #waiting = [];
  /** Cancels the start of the next batch. */
  #cancel = null;
  #isHurried = false;
  /** Context of `process()`, since the context of a single job does not fit a batch. */
  #context = new AsyncResource('hfxbus.JobBatch');

  /**
   * @param {(jobs: Job[]) => unknown} processor
   * @param {{ size: number, wait: number }} options
   */
  constructor(processor, { size, wait }) {
    this.#processor = processor;
    this.#size = size;
    this.#wait = wait;
  }

  /** Adds a job to the next batch. @returns {Promise<void>} settles with the outcome of the batch */
  add(job) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject });
      if (this.#waiting.length === this.#size) this.#start();
      else if (this.#waiting.length === 1) this.#schedule();
    });
  }

  /** Starts the next batch at once, and later ones without a wait. */
  hurry() {
    this.#isHurried = true;
    this.#start();
  }

  /** Lets batches wait again. */
  relax() {
    this.#isHurried = false;
  }

  /** Drops the next batch, whose jobs the engine does not have any more. */
  drop() {
    this.#cancel?.();
    this.#cancel = null;
    this.#waiting = [];
  }

  #schedule() {
    if (this.#wait > 0 && !this.#isHurried) {
      const timer = setTimeout(() => this.#start(), this.#wait);
      this.#cancel = () => clearTimeout(timer);
      return;
    }
    let isCanceled = false;
    nextTick(() => {
      if (!isCanceled) this.#start();
    });
    this.#cancel = () => {
      isCanceled = true;
    };
  }

  #start() {
    // A deadline can have passed in the batch.
    const members = this.#waiting.filter(({ job }) => !Job.isSettled(job));
    this.drop();
    if (members.length > 0) this.#context.runInAsyncScope(run, undefined, this.#processor, members);
  }
}

/** Runs a batch. The jobs that it has not settled itself have its outcome. */
async function run(processor, members) {
  try {
    await processor(members.map(({ job }) => job));
  } catch (error) {
    const open = members.filter(({ job }) => !Job.isSettled(job));
    // Without an unsettled job the first one reports the error.
    for (const { reject } of open.length > 0 ? open : members.slice(0, 1)) reject(error);
  }
  for (const { resolve } of members) resolve();
}

/**
 * Validates the option `batch`; `null` without it.
 * @param {unknown} given
 * @param {{ concurrency: number, deadline: number }} limits `deadline` in ms, negative for none
 */
function batchOptions(given, { concurrency, deadline }) {
  if (given === undefined || given === null) return null;
  const { size, wait } = checks.object('batch', given);
  const most = checks.count('batch.size', size, { least: 1 });
  if (most === undefined) throw new TypeError('batch.size must be a number');
  if (most > concurrency) throw new RangeError(`batch.size must be at most concurrency, which is ${concurrency}`);
  const longest = checks.count('batch.wait', wait, { least: 0, most: LONGEST_TIMER, fallback: 0 });
  if (deadline >= 0 && longest >= deadline) {
    throw new RangeError(`batch.wait must be less than deadline, which is ${deadline} ms`);
  }
  return { size: most, wait: longest };
}

module.exports = { JobBatch, batchOptions };
