'use strict';

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
}

module.exports = { SharedClient };
