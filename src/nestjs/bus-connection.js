'use strict';

const { ConnectionManager } = require('../facade/api/connection-manager.js');

/** Default of the maximum time that a close waits for jobs in flight, in ms. */
const MAX_WAIT = 10_000;

/** ConnectionManager of a server or a client. One that was made here is stopped here. */
class BusConnection {
  #given;
  #manager = null;

  /** @param {ConnectionManager | object | string | undefined} given a manager, or options or a URL of one Redis */
  constructor(given) {
    this.#given = given;
    // Its engine is not ours.
    if (this.isOwn && typeof given?.nativeBus === 'function') {
      throw new TypeError('connection must not be a ConnectionManager of another copy of hfxbus');
    }
    // An invalid option fails here, before the application listens.
    if (!this.isOwn) this.#manager = given;
    else this.#manager = ConnectionManager.standalone(given);
  }

  get isOwn() {
    return !(this.#given instanceof ConnectionManager);
  }

  /** Returns the manager. */
  get manager() {
    return this.#manager;
  }

  /** Resolves when every node has answered PING. Rejects with the error of the first that has not. */
  async ping() {
    const clients = this.#manager.isPartitioned ? this.#manager.getClients('nestjs') : [this.#manager.sharedClient()];
    await Promise.all(clients.map((client) => client.call('ping')));
  }

  /**
   * Resolves with the names of the groups of a stream; `null` if the user has no permission to read them. Without a route it
   * asks the first node: a server creates its groups on all nodes.
   */
  async groupsOf(stream, route) {
    const native = this.#manager.nativeBus();
    const isRouted = this.#manager.isPartitioned && typeof route === 'string';
    const node = isRouted ? native.route(route) : 0;
    const client = this.#manager.isPartitioned
      ? this.#manager.getClients('nestjs')[node]
      : this.#manager.sharedClient();
    try {
      const groups = await client.call('xinfo', 'GROUPS', native.streamKey(node, stream));
      return groups.map((fields) => fields[fields.indexOf('name') + 1]);
    } catch (error) {
      if (error.code === 'NOPERM') return null;
      // The reply for a key that does not exist.
      if (error.code === 'ERR') return [];
      throw error;
    }
  }

  /** Stops a manager that was made here. */
  async stop(maxWait) {
    if (this.isOwn) await this.#manager.stop({ maxWait });
  }
}

module.exports = { BusConnection, MAX_WAIT };
