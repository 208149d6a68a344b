'use strict';

const { closedError } = require('../../support/errors.js');
const { readerOptions, resultOf } = require('./result-options.js');
const { ResultReader } = require('./result-reader.js');
const { ResultStream } = require('./result-stream.js');

/** Readers of results of a producer. */
class ResultReaders {
  #connection;
  #codecs;
  /** Readers that have begun. */
  #open = new Set();

  /**
   * @param {import('../connection-manager.js').ConnectionManager} connection
   * @param {() => import('../codecs/value-codecs.js').ValueCodecs | null} codecs returns the codecs of the producer
   */
  constructor(connection, codecs) {
    this.#connection = connection;
    this.#codecs = codecs;
  }

  /** Returns the chunks of any job. */
  of(given) {
    return this.#read({ ...resultOf(given), ...readerOptions(given, []) }, null);
  }

  /** Returns the chunks of a job that is awaited. */
  ofJob(given, { groups, stream, id, completions }) {
    const options = readerOptions(given, groups);
    return this.#read({ ...options, stream, id }, groups.includes(options.group) ? completions : null);
  }

  /** Ends all readers. */
  end() {
    for (const reader of this.#open) reader.end(closedError());
  }

  #read(options, completions) {
    const { stream, group, id } = options;
    const about = { codecs: this.#codecs(), completions, open: this.#open };
    return new ResultStream(new ResultReader(this.#connection, { stream, group, id }, options, about));
  }
}

module.exports = { ResultReaders };
