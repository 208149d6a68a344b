'use strict';

/** Callbacks of one node: answers the engine's questions with the user's callbacks, and receives changes of the node. */
class NodeCallbacks {
  #native;
  /** Retry strategies in the order of the engine's numbers. */
  #strategies;
  #reconnectOnError;

  /**
   * @param {object} handlers
   * @param {(isOut: boolean, about: object) => void} handlers.ringChanged handles an ejection or readmission of the node
   * @param {(state: string, about: object) => void} handlers.linkChanged handles a new state of its shared connection
   */
  constructor(native, { retryStrategy, sentinelRetryStrategy, reconnectOnError }, { ringChanged, linkChanged }) {
    this.ringChanged = ringChanged;
    this.linkChanged = linkChanged;
    this.#native = native;
    this.#strategies = [retryStrategy, sentinelRetryStrategy];
    this.#reconnectOnError = reconnectOnError;
  }

  /** Answers with the delay before the next attempt to connect, or to ask sentinels. */
  askRetry(question, retry, attempt) {
    const strategy = this.#strategies[retry];
    let delay = null;
    try {
      delay = typeof strategy === 'function' ? strategy(attempt) : null;
    } catch {
      // An exception ends the attempts.
    }
    const isDelay = typeof delay === 'number' && delay >= 0;
    this.#native.answerRetry(question, isDelay ? delay : -1);
  }

  /** Answers with the effect of an error reply on the connection. */
  askReconnect(question, error) {
    let verdict = false;
    try {
      verdict = this.#reconnectOnError(error);
    } catch {
      // An exception has no effect on the connection.
    }
    this.#native.answerReconnect(question, verdict === 2 ? 2 : verdict ? 1 : 0);
  }
}

module.exports = { NodeCallbacks };
