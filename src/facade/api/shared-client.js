'use strict';

/** Connection of a bus that jobs and producers share. */
class SharedClient {
  #native;
  // biome-ignore lint/correctness/noUnusedPrivateClassMembers: keeps the manager alive while its jobs are in use, since they can open connections again
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
