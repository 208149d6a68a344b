'use strict';

const { fork } = require('node:child_process');
const path = require('node:path');
const { RawClient } = require('../../__test__/support/raw-client.js');
const { pinBeside } = require('../cores.js');
const { spread } = require('../numbers.js');
const namespace = require('./namespace.js');

const PROXY = path.join(__dirname, 'proxy-process.js');
/** Number of PINGs that measure a network. */
const PINGS = 50;

/** Network between subjects and servers, with a delay: `tc netem` in a network namespace, else a TCP proxy. */
class Network {
  #proxy = null;

  /** Means of delay on this machine. */
  get means() {
    return namespace.isInside() ? 'tc netem' : 'TCP proxy';
  }

  /**
   * Sets the delay between subjects and servers.
   * @param {{ port: number }[]} servers
   * @param {object} [options]
   * @param {number} [options.delay] of a round trip, in ms, half of it in each direction. Default 0: the loopback itself
   * @param {number} [options.cores] number of cores of the subjects; the proxy takes the other ones
   * @returns {Promise<number[]>} ports of the servers for subjects
   */
  async between(servers, { delay = 0, cores } = {}) {
    this.end();
    const ports = servers.map(({ port }) => port);
    if (namespace.isInside()) namespace.shape(delay / 2);
    return delay === 0 || namespace.isInside() ? ports : this.#through(ports, delay / 2, cores);
  }

  /** Returns the median time of a PING and its answer, in ms. */
  async ping(server, delay) {
    const [port] = await this.between([server], { delay });
    const client = new RawClient(port);
    const took = [];
    for (let count = 0; count < PINGS; count++) {
      const start = performance.now();
      await client.call('PING');
      took.push(performance.now() - start);
    }
    client.close();
    return spread(took).median;
  }

  end() {
    this.#proxy?.kill('SIGKILL');
    this.#proxy = null;
  }

  #through(ports, delay, cores) {
    const proxy = fork(PROXY, [JSON.stringify({ ports, delay })], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#proxy = proxy;
    pinBeside([proxy.pid], cores);
    return new Promise((resolve, reject) => {
      proxy.once('message', resolve);
      proxy.once('error', reject);
      proxy.once('exit', (code) => reject(new Error(`the TCP proxy has ended with ${code}`)));
    });
  }
}

module.exports = { Network };
