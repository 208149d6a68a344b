'use strict';

const { Job } = require('../job.js');
const { MiddlewareChain, calledLate } = require('./middleware-chain.js');

/** Middleware of a consumer, around its processors. */
class Receiving {
  #chain = new MiddlewareChain();
  #consumer;
  #group;
  #onLate;

  /**
   * @param {import('../consumer.js').Consumer} consumer
   * @param {string} group
   * @param {(error: unknown, job: import('../job.js').Job) => void} onLate called for an error behind a `next()` after the
   * end of the middleware
   */
  constructor(consumer, group, onLate) {
    this.#consumer = consumer;
    this.#group = group;
    this.#onLate = onLate;
  }

  add(middleware) {
    this.#chain.add(middleware);
  }

  /** Returns a processor for one job: the middleware, and the given processor within it. */
  around(processor, stream, headers) {
    const context = { consumer: this.#consumer, stream, group: this.#group, headers };
    return (job) => {
      const last = () => {
        // The deadline can have passed in the middleware.
        if (Job.isSettled(job)) throw calledLate();
        return processor(job);
      };
      return this.#chain.run(job, context, last, (error) => this.#onLate(error, job));
    };
  }
}

module.exports = { Receiving };
