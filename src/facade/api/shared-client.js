'use strict';

const { SingleCall } = require('../redis/call-request.js');
const { RedisCommand } = require('../redis/redis-command.js');

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

  /** Sends a command that does not block. The first key decides on the node of a Cluster. */
  call(command, ...args) {
    const request = new SingleCall([new RedisCommand(command, args, false)], false);
    request.send(this.number);
    return request.promise;
  }
}

module.exports = { SharedClient };
