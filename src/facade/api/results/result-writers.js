'use strict';

const { ResultWriter } = require('./result-writer.js');

/** Writers of the results of a consumer's runs. A run without chunks has none. */
class ResultWriters {
  #native;
  #connection;
  /** Names and limits of the streams, by their index. */
  #streams = [];

  /**
   * @param {import('../../../../native.js').NativeConsumer} native
   * @param {import('../connection-manager.js').ConnectionManager} connection
   */
  constructor(native, connection) {
    this.#native = native;
    this.#connection = connection;
  }

  /** Sets the name of a stream for the user, and the limits of its results. */
  set(index, name, limits) {
    this.#streams[index] = { name, limits };
  }

  /** Returns the writer of a run; `null` if it is not in flight any more. */
  of(token) {
    const stream = this.#streams[this.#native.streamOf(token)];
    const source = stream === undefined ? null : this.#native.resultOf(token, stream.name);
    if (source === null) return null;
    return new ResultWriter(this.#connection.nativeBus().number + source.node, source, stream.limits);
  }
}

module.exports = { ResultWriters };
