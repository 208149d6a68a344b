'use strict';

const { setErrorKind } = require('../../support/errors.js');
const { Job } = require('../job.js');

/** Received job of a stream with a contract. */
class ContractJob {
  #payload;
  #results;
  #isChecked;
  #isAnswered = false;

  /**
   * @param {Job} job the received job
   * @param {import('./contract-values.js').ContractValues} payload
   * @param {import('./contract-values.js').ContractValues} results results of the group
   * @param {{ send: boolean, receive: boolean }} isChecked
   */
  constructor(job, payload, results, isChecked) {
    this.job = job;
    this.#payload = payload;
    this.#results = results;
    this.#isChecked = isChecked;
  }

  get id() {
    return this.job.id;
  }

  get signal() {
    return this.job.signal;
  }

  /** Reads and checks payload keys, by default all. */
  pull(...names) {
    return this.#payload.read(
      this.job,
      'receive',
      names.length > 0 ? names : this.#payload.names,
      this.#isChecked.receive,
    );
  }

  /** Checks and sets the results of the group, which leave with the settlement. */
  async answer(results) {
    if (Job.isSettled(this.job)) {
      throw setErrorKind(new Error('The job is settled: answer() must come before'), 'JOB_SETTLED');
    }
    await this.#results.write(this.job, 'answer', results, this.#isChecked.send);
    this.#isAnswered = true;
  }

  /** @internal Sets what the processor has returned, unless it has answered itself. */
  async answerWith(returned) {
    if (this.#isAnswered || this.#results.names.length === 0 || Job.isSettled(this.job)) return;
    await this.answer(returned ?? {});
  }
}

module.exports = { ContractJob };
