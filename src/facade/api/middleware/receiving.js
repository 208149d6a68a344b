'use strict';

const { MiddlewareChain } = require('./middleware-chain.js');

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
    return async (job) => {
      let hasEnded = false;
      let reported;
      const onError = (error) => {
        if (!hasEnded || error === reported) return;
        reported = error;
        this.#onLate(error, job);
      };
      try {
        await this.#chain.run(job, context, () => processor(job), onError);
      } finally {
        hasEnded = true;
      }
    };
  }
}

module.exports = { Receiving };
