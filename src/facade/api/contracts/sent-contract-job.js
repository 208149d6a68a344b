'use strict';

const { pulled } = require('./contract-values.js');

/** Sent job of a stream with a contract. */
class SentContractJob {
  #results;
  #isChecked;
  /** Promise of the results, after the first `finished()`. */
  #outcomes = null;

  /**
   * @param {import('../job.js').Job} job the sent job
   * @param {Map<string, import('./contract-values.js').ContractValues>} results results of each awaited group
   * @param {boolean} isChecked
   */
  constructor(job, results, isChecked) {
    this.job = job;
    this.#results = results;
    this.#isChecked = isChecked;
  }

  get id() {
    return this.job.id;
  }

  /** Waits for all groups. Resolves with the outcome of each, and the results of those that have finished the job. */
  async finished(options) {
    if (this.#results.size === 0) throw new TypeError('finished() needs waitFor');
    const completions = await this.job.finished(options);
    this.#outcomes ??= this.#read(completions).catch((error) => {
      this.#outcomes = null;
      throw error;
    });
    return this.#outcomes;
  }

  async #read(completions) {
    const isResolved = ([group]) => completions[group] instanceof Date;
    const names = [...this.#results].filter(isResolved).flatMap(([, values]) => values.names);
    const bytes = names.length === 0 ? {} : await pulled(this.job, names);
    const outcomes = await Promise.all(
      [...this.#results].map(async ([group, values]) => [
        group,
        await this.#outcome(completions[group], values, bytes),
      ]),
    );
    return Object.fromEntries(outcomes);
  }

  async #outcome(completion, values, bytes) {
    if (!(completion instanceof Date)) return { status: 'rejected', reason: completion };
    try {
      return { status: 'fulfilled', at: completion, value: await values.results(bytes, this.#isChecked) };
    } catch (reason) {
      return { status: 'rejected', reason };
    }
  }
}

module.exports = { SentContractJob };
