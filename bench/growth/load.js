'use strict';

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');

/** A process with a producer and a consumer of all streams, see load-process.js. */
class Load {
  #child;

  constructor(options) {
    this.#child = fork(path.join(__dirname, 'load-process.js'), [JSON.stringify(options)]);
  }

  begin() {
    return this.#call('begin');
  }

  /** @returns {Promise<{ cpu: number }>} µs of CPU of the process */
  run(count) {
    return this.#call('run', count);
  }

  async end() {
    await this.#call('end');
    this.kill();
  }

  kill() {
    this.#child.kill('SIGKILL');
  }

  async #call(method, ...args) {
    this.#child.send({ method, args });
    const ending = once(this.#child, 'exit').then(() => ({ error: 'the process of the load ended' }));
    const [{ result, error }] = await Promise.race([once(this.#child, 'message'), ending.then((end) => [end])]);
    if (error) throw new Error(error);
    return result;
  }
}

module.exports = { Load };
