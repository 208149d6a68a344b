'use strict';

const diagnostics = require('../support/diagnostics.js');
const { errorData } = require('../support/serialize-error.js');
const { closedError, isUnrecoverable, setErrorKind } = require('../support/errors.js');
const { Job } = require('./job.js');
const { closedResultError } = require('./results/result-errors.js');

/** Result of a settlement that nothing waits for. One for all jobs, since a promise of its own costs each job more. */
const SETTLED = Promise.resolve();

/** Run of a processor, behind `resolve`, `reject` and `release` of a received job. */
class Run {
  #consumer;
  #settled = null;
  #released = false;
  #isAbandoned = false;
  /** Created when the processor reads `job.signal`. */
  #controller = null;
  /** Reason of the abort, if the outcome has no effect any more. */
  #reason = null;
  /** Exception of the processor that has ended the job, in an array. */
  #thrown = null;
  /** Writer of the chunks of the result; `null` without any. */
  #result = null;
  /** Message for subscribers until the run is settled, if there are any. */
  #message = null;

  constructor(consumer, token, job) {
    this.#consumer = consumer;
    this.token = token;
    this.job = job;
    Job.receive(job, this);
    job.release = () => this.#release();
    job.resolve = () => this.#settle(null, true, false);
    job.reject = (error) => this.#settle(errorData(error), true, isUnrecoverable(error), error);
  }

  /** Returns true if the job is settled, or has reached its deadline. */
  get isSettled() {
    return this.#settled !== null;
  }

  /** Sets the message for subscribers, which is published at the start and at the end. */
  announce(message) {
    this.#message = message;
  }

  /** Runs the processor and settles the job with its result, unless the job is settled by then. */
  start(processor) {
    let isPromise;
    try {
      const running = this.#message === null ? processor(this.job) : diagnostics.receive(this.#message, processor);
      isPromise = typeof running?.then === 'function';
      if (isPromise) {
        Promise.prototype.then.call(
          running instanceof Promise ? running : Promise.resolve(running),
          () => this.#succeeded(),
          (error) => this.#failed(error),
        );
      }
    } catch (error) {
      // A getter `then` that throws is a failure too.
      this.#failed(error);
      return;
    }
    if (!isPromise) this.#succeeded();
  }

  /** Returns the signal that aborts when the outcome has no effect any more. */
  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#reason !== null) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Adds a chunk to the result. Resolves when Redis has it. */
  emit(chunk) {
    if (this.#result === null) {
      const result = this.#settled !== null || this.#isAbandoned ? null : this.#consumer.resultOf(this);
      if (result === null) return Promise.reject(closedResultError('The run has ended: emit() must come before'));
      this.#result = result;
    }
    return this.#result.emit(chunk);
  }

  /** Ends a run after a stop of the bus: the engine does not have the job any more. */
  abandon() {
    this.#isAbandoned = true;
    this.#result?.close();
    if (this.#settled !== null) return;
    const reason = closedError();
    this.#abort(reason);
    this.#publishSettled('abandoned', reason);
  }

  /** Ends a run that the engine has settled at its deadline. */
  expire() {
    if (this.#settled !== null) {
      // The processor threw before this report arrived, and the engine has ignored that settlement.
      if (this.#thrown !== null) this.#consumer.onUnhandled(this.#thrown[0], this.job);
      return;
    }
    this.#settled = SETTLED;
    this.#removeMethods();
    const reason = setErrorKind(new Error('The job was running for too long'), 'DEADLINE_TIMEOUT');
    this.#abort(reason);
    this.#result?.end(errorData(reason));
    this.#publishSettled('timedOut', reason);
  }

  #abort(reason) {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  #succeeded() {
    if (this.#settled === null) this.#settle(null, false, false);
  }

  #failed(error) {
    if (this.#settled === null) {
      this.#thrown = [error];
      this.#settle(errorData(error), false, isUnrecoverable(error), error);
    } else {
      this.#consumer.onUnhandled(error, this.job);
    }
  }

  /** Settles the job on the first call. Later calls return the same promise. */
  #settle(data, awaited, unrecoverable, error) {
    if (this.#settled === null) {
      this.#settled = this.#sendSettlement(data, awaited, unrecoverable) ?? SETTLED;
      this.#removeMethods();
      this.#publishSettled(data === null ? 'resolved' : 'rejected', error);
    }
    return this.#settled;
  }

  #sendSettlement(data, awaited, unrecoverable) {
    if (this.#isAbandoned) return this.#consumer.settleLate(this, awaited);
    if (this.#result !== null) return this.#settleBehindResult(data, awaited, unrecoverable);
    return this.#consumer.settle(this, data, awaited, unrecoverable);
  }

  /** Ends the result, and then settles the job, so that a reader that knows the settlement finds all chunks. */
  async #settleBehindResult(data, awaited, unrecoverable) {
    const failure = await this.#result.end(data);
    if (this.#isAbandoned) return this.#consumer.settleLate(this, awaited);
    // Chunks are the result of the job, so it has failed without one of them.
    const isLost = failure !== null && data === null;
    return this.#consumer.settle(this, isLost ? errorData(failure) : data, awaited, unrecoverable);
  }

  /** Publishes the outcome, once. */
  #publishSettled(outcome, error) {
    const message = this.#message;
    if (message === null) return;
    this.#message = null;
    message.outcome = outcome;
    if (outcome !== 'resolved') message.error = error;
    diagnostics.channels.settle.publish(message);
  }

  #release() {
    if (!this.#released && this.#settled === null) {
      this.#released = true;
      Reflect.deleteProperty(this.job, 'release');
      if (!this.#isAbandoned) this.#consumer.release(this);
    }
    return this.job;
  }

  /** Removes the methods from last to first, since V8 keeps an object fast that loses its last property. */
  #removeMethods() {
    const { job } = this;
    // Reflect does not throw if the processor has frozen its job.
    Reflect.deleteProperty(job, 'reject');
    Reflect.deleteProperty(job, 'resolve');
    Reflect.deleteProperty(job, 'release');
  }
}

module.exports = { Run };
