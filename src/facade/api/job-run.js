'use strict';

const diagnostics = require('../support/diagnostics.js');
const { errorData } = require('../support/serialize-error.js');
const { closedError, isUnrecoverable, setErrorKind } = require('../support/errors.js');
const { Job } = require('./job.js');

/** One run of a processor: what `resolve`, `reject` and `release` of a received job act on. */
class Run {
  #consumer;
  #settled = null;
  #released = false;
  #isAbandoned = false;
  /** Made when the processor asks for it. */
  #controller = null;
  /** Why the outcome does not matter any more, if it does not. */
  #reason = null;
  /** What the processor threw, and with it ended the job, in an array. */
  #thrown = null;
  /** What is told to who watches, if anybody does; until it has ended for them. */
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

  /** Has who watches told of it: what they are given, from the beginning to the end. */
  announce(message) {
    this.#message = message;
  }

  /** Runs the processor; how it ends is how the job ends, unless that is settled by then. */
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
      // What cannot be waited for has failed too.
      this.#failed(error);
      return;
    }
    if (!isPromise) this.#succeeded();
  }

  /** What tells the processor that its outcome does not matter any more. */
  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#reason !== null) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The bus was stopped: the engine does not know of the job any more. */
  abandon() {
    this.#isAbandoned = true;
    if (this.#settled !== null) return;
    const reason = closedError();
    this.#abort(reason);
    this.#publishSettled('abandoned', reason);
  }

  /** The engine has settled the job, since its deadline passed. */
  expire() {
    if (this.#settled !== null) {
      // The processor has thrown before this was heard, which the engine took for nothing.
      if (this.#thrown !== null) this.#consumer.onUnhandled(this.#thrown[0], this.job);
      return;
    }
    this.#settled = Promise.resolve();
    this.#removeMethods();
    const reason = setErrorKind(new Error('The job was running for too long'), 'DEADLINE_TIMEOUT');
    this.#abort(reason);
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

  /** The first call decides; later ones get its promise. */
  #settle(data, awaited, unrecoverable, error) {
    if (this.#settled === null) {
      this.#settled = this.#sendSettlement(data, awaited, unrecoverable) ?? Promise.resolve();
      this.#removeMethods();
      this.#publishSettled(data === null ? 'resolved' : 'rejected', error);
    }
    return this.#settled;
  }

  #sendSettlement(data, awaited, unrecoverable) {
    if (this.#isAbandoned) return this.#consumer.settleLate(this, awaited);
    return this.#consumer.settle(this, data, awaited, unrecoverable);
  }

  /** Tells who watches how it ended, once. */
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

  /** From last to first: an object that loses its last property stays a fast one. */
  #removeMethods() {
    const { job } = this;
    // A processor may have frozen its job, which is no reason to fail.
    Reflect.deleteProperty(job, 'reject');
    Reflect.deleteProperty(job, 'resolve');
    Reflect.deleteProperty(job, 'release');
  }
}

module.exports = { Run };
