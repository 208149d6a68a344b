'use strict';

/** Answers what the engine asks about the connections to one node, by the user's own callbacks. */
class NodeCallbacks {
  #native;
  #retryStrategy;
  #reconnectOnError;

  constructor(native, { retryStrategy, reconnectOnError }) {
    this.#native = native;
    this.#retryStrategy = retryStrategy;
    this.#reconnectOnError = reconnectOnError;
  }

  /** How long to wait before the next attempt to connect? */
  askRetry(question, attempt) {
    let delay = null;
    try {
      delay = typeof this.#retryStrategy === 'function' ? this.#retryStrategy(attempt) : null;
    } catch {
      // As if it had given up: there is nothing better to go by.
    }
    const isDelay = typeof delay === 'number' && delay >= 0;
    this.#native.answerRetry(question, isDelay ? delay : -1);
  }

  /** What does this error mean for the connection? */
  askReconnect(question, error) {
    let verdict = false;
    try {
      verdict = this.#reconnectOnError(error);
    } catch {
      // As if it had not been asked: the error goes to who sent the command.
    }
    this.#native.answerReconnect(question, verdict === 2 ? 2 : verdict ? 1 : 0);
  }
}

module.exports = { NodeCallbacks };
