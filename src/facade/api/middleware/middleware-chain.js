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
   * @param {(error: unknown) => void} [onError] called for each `next()` that rejects. With it the rejection is handled: one that
   * a function does not wait for must not crash the process
   * @returns {Promise<unknown>} settles with the first function
   */
  run(job, context, last, onError = () => {}) {
    const functions = this.#functions;
    let reached = -1;
    const dispatch = async (at) => {
      if (at <= reached) throw calledTwice();
      reached = at;
      return at === functions.length ? last() : functions[at](job, () => next(at), context);
    };
    const next = (at) => {
      const promise = dispatch(at + 1);
      promise.catch(onError);
      return promise;
    };
    return dispatch(0);
  }
}

function calledTwice() {
  return setErrorKind(new Error('next() was called twice by a middleware'), 'NEXT_CALLED_TWICE');
}

module.exports = { MiddlewareChain };
