'use strict';

const { SingleCall } = require('../redis/call-request.js');
const { RedisCommand } = require('../redis/redis-command.js');

/** Connection of a bus that jobs and producers share. */
class SharedClient {
  #native;
  /** Keeps the manager alive while its jobs are in use, since they can open connections again. */
  #manager;

  constructor(native, keyPrefix, enablePipelining, manager, codecs = null) {
    this.#native = native;
    this.#manager = manager;
    this.number = native.number;
    this.keyPrefix = keyPrefix;
    this.enablePipelining = enablePipelining;
    /** Codecs for the values of jobs; `null` without any. */
    this.codecs = codecs;
  }

  /** Returns the same connection with codecs for the values of its jobs. */
  withCodecs(codecs) {
    return new SharedClient(this.#native, this.keyPrefix, this.enablePipelining, this.#manager, codecs);
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
