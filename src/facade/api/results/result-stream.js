'use strict';

/** Chunks of a result, as an asynchronous iterable that can be ended at any time. */
class ResultStream {
  #reader;
  #chunks;

  /** @param {import('./result-reader.js').ResultReader} reader */
  constructor(reader) {
    this.#reader = reader;
    this.#chunks = reader.chunks();
  }

  /** Resolves with the next chunk. */
  next() {
    return this.#chunks.next();
  }

  /** Ends the reader, also during a call of `next()`. */
  return(value) {
    this.#reader.stop();
    return this.#chunks.return(value);
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

if (Symbol.asyncDispose) {
  ResultStream.prototype[Symbol.asyncDispose] = async function dispose() {
    await this.return();
  };
}

module.exports = { ResultStream };
