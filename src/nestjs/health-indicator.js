'use strict';

const { ConnectionManager } = require('../facade/api/connection-manager.js');
const checks = require('../facade/options/validate.js');
const { BusConnection } = require('./bus-connection.js');

/** Default of the maximum time for the replies of Redis, in ms. */
const TIMEOUT = 1000;

/** Health indicator in the form of @nestjs/terminus. */
class HfxbusHealthIndicator {
  #connection;
  #throws;

  /**
   * @param {ConnectionManager | import('./server.js').HfxbusServer | import('./client.js').HfxbusClient} subject
   * @param {{ throws?: boolean }} [options] true to reject instead of `down`, as terminus 10 expects it
   */
  constructor(subject, options) {
    this.#throws = Boolean(checks.object('options', options).throws);
    if (subject instanceof ConnectionManager) this.#connection = new BusConnection(subject);
    else if (typeof subject?.busConnection === 'function') this.#connection = subject.busConnection();
    else throw new TypeError('subject must be a ConnectionManager, an HfxbusServer or an HfxbusClient');
  }

  /** Resolves with `up` if every node answers PING in time, and otherwise with `down` and the reason. */
  async isHealthy(key, options) {
    const timeout = checks.time('timeout', checks.object('options', options).timeout, TIMEOUT);
    const name = checks.name('key', key);
    const began = performance.now();
    try {
      await within(this.#connection.ping(), timeout);
    } catch ({ message, code }) {
      const result = { [name]: { status: 'down', message, ...(code !== undefined && { code }) } };
      if (this.#throws) throw downError(name, result);
      return result;
    }
    return { [name]: { status: 'up', responseTime: Math.round(performance.now() - began) } };
  }
}

/** Creates the error that terminus 10 and 11 recognize by its property. */
function downError(key, causes) {
  const error = new Error(`${key} is not available`);
  error.isHealthCheckError = true;
  error.causes = causes;
  return error;
}

function within(promise, timeout) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Redis did not answer within ${timeout} ms`)), timeout);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

module.exports = { HfxbusHealthIndicator };
