'use strict';

const timers = require('../../support/timers.js');
const { REFRESH } = require('./partition-counts.js');

/** Partitioned streams of a consumer. It reads all partitions, also those that are added while it plays. */
class PartitionedStreams {
  #connection;
  #namesOf;
  /** For each stream, its least and its known count, and the function that adds a partition to the consumer. */
  #streams = new Map();
  #timer = null;

  /**
   * @param {import('../connection-manager.js').ConnectionManager} connection
   * @param {(stream: string, count: number) => string[]} namesOf returns the streams of the partitions
   */
  constructor(connection, namesOf) {
    this.#connection = connection;
    this.#namesOf = namesOf;
  }

  /** Names of the streams. */
  get names() {
    return [...this.#streams.keys()];
  }

  /**
   * Adds a stream, or changes how its partitions are added.
   * @param {(name: string, isNew: boolean) => number} add adds a partition, and returns its index in the consumer; `isNew` is true for one that the consumer has missed
   *   at its start
   */
  set(stream, least, add) {
    const count = this.#streams.get(stream)?.count ?? 0;
    const indices = this.#namesOf(stream, count).map((name) => add(name, false));
    this.#streams.set(stream, { least, count, add, indices });
  }

  /** Returns the number of a partition by its index in the consumer. */
  indexOf(stream, index) {
    return this.#streams.get(stream).indices.indexOf(index);
  }

  /** Adds all partitions. Resolves with true if a stream has more than before. */
  async open(hasPlayed) {
    const grown = await Promise.all(this.names.map((stream) => this.#grow(stream, hasPlayed)));
    return grown.includes(true);
  }

  /** Looks for new partitions from time to time, until `end()`. */
  watch(onGrown, onError) {
    if (this.#timer !== null || this.#streams.size === 0) return;
    let isOwed = false;
    const look = async () => {
      try {
        isOwed = (await this.open(true)) || isOwed;
        if (!isOwed || this.#timer === null) return;
        await onGrown();
        isOwed = false;
      } catch (error) {
        if (this.#timer !== null) onError(error);
      }
    };
    this.#timer = timers.setInterval(look, REFRESH);
    this.#timer.unref?.();
  }

  end() {
    if (this.#timer !== null) timers.clearInterval(this.#timer);
    this.#timer = null;
  }

  async #grow(stream, hasPlayed) {
    const { least, count } = this.#streams.get(stream);
    const found = await this.#connection.partitionCounts.agree(stream, Math.max(least, count));
    const known = this.#streams.get(stream);
    if (found <= known.count) return false;
    const names = this.#namesOf(stream, found).slice(known.count);
    const isNew = hasPlayed && known.count > 0;
    known.count = found;
    known.indices.push(...names.map((name) => known.add(name, isNew)));
    return true;
  }
}

module.exports = { PartitionedStreams };
