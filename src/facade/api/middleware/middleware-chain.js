'use strict';

const { setErrorKind } = require('../../support/errors.js');

/** Middleware of a producer or a consumer, in the order of `use()`. */
class MiddlewareChain {
  #functions = [];

  /** @param {unknown} middleware */
  add(middleware) {
    if (typeof middleware !== 'function') throw new TypeError('middleware must be a function');
    // A copy: jobs in flight keep the middleware of their start.
    this.#functions = [...this.#functions, middleware];
  }

  /**
   * Runs the middleware for one job, and `last` within it.
   * @param {import('../job.js').Job} job
   * @param {object} context third argument of each function
   * @param {() => unknown} last called by the `next()` of the last function
   * @param {(error: unknown) => void} [onLate] called for an error behind a `next()` after the end of the first function
   * @returns {Promise<unknown>} settles with the first function
   */
  async run(job, context, last, onLate = () => {}) {
    const functions = this.#functions;
    let reached = -1;
    let hasEnded = false;
    let reported;
    const dispatch = async (at) => {
      if (at <= reached) throw calledTwice();
      if (hasEnded) throw calledLate();
      reached = at;
      return at === functions.length ? last() : functions[at](job, () => next(at), context);
    };
    const next = (at) => {
      const promise = dispatch(at + 1);
      // With it the rejection is handled: one that a function does not wait for must not crash the process.
      promise.catch((error) => {
        if (!hasEnded || error === reported) return;
        reported = error;
        onLate(error);
      });
      return promise;
    };
    try {
      return await dispatch(0);
    } finally {
      hasEnded = true;
    }
  }
}

function calledTwice() {
  return setErrorKind(new Error('next() was called twice by a middleware'), 'NEXT_CALLED_TWICE');
}

/** Creates the error of a `next()` that comes too late to have an effect. */
function calledLate() {
  const message = 'next() was called after the end of the middleware or of the job';
  return setErrorKind(new Error(message), 'NEXT_CALLED_LATE');
}

module.exports = { MiddlewareChain, calledLate };
