'use strict';

/** Answers what the engine asks about the connections to one node, by the user's own callbacks, and hears of its fate. */
class NodeCallbacks {
  #native;
  /** In the order of the engine's numbers for what is to be tried again. */
  #strategies;
  #reconnectOnError;

  /**
   * @param {object} hears
   * @param {(isOut: boolean, about: object) => void} hears.ringChanged the node is out of the ring, or back
   * @param {(state: string, about: object) => void} hears.linkChanged its shared connection has another state
   */
  constructor(native, { retryStrategy, sentinelRetryStrategy, reconnectOnError }, { ringChanged, linkChanged }) {
    this.ringChanged = ringChanged;
    this.linkChanged = linkChanged;
    this.#native = native;
    this.#strategies = [retryStrategy, sentinelRetryStrategy];
    this.#reconnectOnError = reconnectOnError;
  }

  /** How long to wait before the next attempt to connect, or to find out where to? */
  askRetry(question, retry, attempt) {
    const strategy = this.#strategies[retry];
    let delay = null;
    try {
      delay = typeof strategy === 'function' ? strategy(attempt) : null;
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
