'use strict';

/** The connection of a bus that jobs and producers share. */
class SharedClient {
  #native;
  // biome-ignore lint/correctness/noUnusedPrivateClassMembers: held, so that the manager lives as long as its jobs, which may open connections again
  #manager;

  constructor(native, keyPrefix, enablePipelining, manager) {
    this.#native = native;
    this.#manager = manager;
    this.number = native.number;
    this.keyPrefix = keyPrefix;
    this.enablePipelining = enablePipelining;
  }

  get status() {
    return this.#native.status;
  }
}

module.exports = { SharedClient };
