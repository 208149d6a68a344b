'use strict';

const { ConnectionManager } = require('../../../facade/api/connection-manager.js');
const { infoOf } = require('../../../inspection/server-info.js');
const { timeOf } = require('../../../inspection/streams.js');
const { endpointsOf, nameOf } = require('./endpoints.js');

/** Name of the connections. */
const CLIENT = 'dashboard';

/**
 * Servers of a bus, each with a connection of its own. The servers of a Cluster are its primaries.
 * @typedef {object} Server
 * @property {string} name host and port, or path
 * @property {number} node index of the node of `nodes()`; otherwise 0
 * @property {string} prefix prefix of its keys
 * @property {import('../../../facade/redis/redis-client.js').RedisClient} client
 * @property {Map<string, string>} info fields of the reply to INFO; empty without the permission for it
 * @property {boolean} isUp
 * @property {string | null} reason reason of a server that does not answer
 */
class BusServers {
  #endpoints;
  #nat;
  /** @type {Map<string, ConnectionManager>} */
  #managers = new Map();
  #ejected = new Set();
  #source;
  /** Servers that are asked again. */
  #retried = new Set();
  #onEject = ({ index }) => this.#ejected.add(index);
  #onReadmit = ({ index }) => this.#ejected.delete(index);
  /** @type {Server[]} */
  all = [];

  /** @param {ConnectionManager} manager bus of the program, whose connections are not used */
  constructor(manager) {
    const { endpoints, nat } = endpointsOf(manager);
    this.#endpoints = endpoints;
    this.#nat = nat;
    this.#source = manager;
    manager.on('eject', this.#onEject);
    manager.on('readmit', this.#onReadmit);
    this.all = nat === null ? endpoints.map((endpoint) => this.#connect(endpoint)) : [];
  }

  get isCluster() {
    return this.#nat !== null;
  }

  /** Returns true if the bus of the program has ejected the node. */
  isEjected({ node }) {
    return !this.isCluster && this.#ejected.has(node);
  }

  /**
   * Reads INFO and the clock of every server, and for a Cluster its primaries. Never rejects. A server that did not answer last
   * time is not waited for, so that it does not hold up the others.
   */
  async refresh() {
    if (this.isCluster) await this.#discover();
    this.retry();
    await Promise.all(this.all.filter(({ reason }) => reason === null).map((server) => this.#inspect(server)));
  }

  /** Asks the servers again that did not answer, without waiting for them. */
  retry() {
    for (const server of this.all.filter(({ reason }) => reason !== null)) {
      if (this.#retried.has(server)) continue;
      this.#retried.add(server);
      this.#inspect(server).finally(() => this.#retried.delete(server));
    }
  }

  /** Closes the connections. */
  async close() {
    this.#source.off('eject', this.#onEject);
    this.#source.off('readmit', this.#onReadmit);
    const managers = [...this.#managers.values()];
    this.#managers.clear();
    await Promise.all(managers.map((manager) => manager.stop({ force: true })));
  }

  async #inspect(server) {
    try {
      const [info, now] = await Promise.all([infoOf(server.client), timeOf(server.client).catch(clockOfProcess)]);
      server.info = info;
      server.infoAt = performance.now();
      server.clock = now - server.infoAt;
      this.settle(server, null);
    } catch (error) {
      this.settle(server, error);
    }
  }

  /** Notes that a server has answered, or the error of its failure. */
  settle(server, error) {
    const cause = error?.code === 'MAX_RETRIES' && error.cause ? error.cause : error;
    server.isUp = error === null;
    server.reason = error === null ? null : cause.message;
  }

  /** Finds the primaries of a Cluster, from any node that answers. */
  async #discover() {
    for (const endpoint of this.#candidates()) {
      try {
        const slots = await endpoint.client.call('cluster', 'slots');
        const addresses = slots.map(([, , [host, port]]) => this.#outside({ host, port }, endpoint.options));
        if (addresses.length > 0) this.#replace(addresses, endpoint);
        return;
      } catch (error) {
        this.settle(endpoint, error);
      }
    }
    if (this.all.length === 0) this.all = this.#endpoints.map((endpoint) => this.#connect(endpoint));
  }

  *#candidates() {
    yield* this.all.filter(({ isUp }) => isUp);
    for (const endpoint of this.#endpoints) yield this.#connect(endpoint);
  }

  /** Replaces the servers by the primaries, with open connections to those that are known. */
  #replace(addresses, { prefix, node, options }) {
    const found = new Map(addresses.map((address) => [nameOf(address), address]));
    const known = new Map(this.all.map((server) => [server.name, server]));
    this.all = [...found]
      .map(([name, address]) => {
        return known.get(name) ?? this.#connect({ name, prefix, node, options: { ...options, ...address } });
      })
      .sort((left, right) => left.name.localeCompare(right.name));
  }

  /** Returns the address of a node from outside. An empty name means the host that was asked. */
  #outside({ host, port }, asked) {
    const mapped = this.#nat.find(({ from }) => from.host === host && from.port === port);
    return mapped ? mapped.to : { host: host || asked.host, port };
  }

  #connect(endpoint) {
    const { name, options } = endpoint;
    if (!this.#managers.has(name)) this.#managers.set(name, ConnectionManager.standalone(options));
    const client = this.#managers.get(name).getClient(CLIENT);
    return { ...endpoint, client, info: new Map(), infoAt: 0, clock: null, isUp: false, reason: null };
  }
}

/** Resolves with the time of this process, for a user without the permission for TIME. */
function clockOfProcess(error) {
  if (error.code === 'NOPERM') return Date.now();
  throw error;
}

module.exports = { BusServers };
