'use strict';

const { knownPartition, partitionCounts } = require('../../../inspection/partitions/partition-counts.js');

/** Counts of the partitions of streams, as the last polls have found them. */
class PartitionedStreams {
  /** Names that Redis was asked for. */
  #asked = new Set();
  /** @type {import('../../../inspection/partitions/partition-counts.js').PartitionCounts} */
  counts = new Map();

  /**
   * Asks for the counts of new names, or of all. Never rejects: without an answer the counts stay.
   * @param {import('./bus-servers.js').Server[]} servers
   * @param {Set<string>} names
   */
  async refresh(servers, names, areAllDue) {
    const due = [...names].filter((name) => areAllDue || !this.#asked.has(name));
    const up = servers.filter(({ isUp }) => isUp);
    if (due.length === 0 || up.length === 0) return;
    try {
      const found = await partitionCounts({ all: up }, due);
      for (const name of due) {
        this.#asked.add(name);
        // A count never shrinks. Its server can be away.
        if (found.has(name)) this.counts.set(name, found.get(name));
      }
    } catch {
      // The next poll asks again, and the state of the server has the reason.
    }
    for (const name of this.#asked) if (!names.has(name)) this.#forget(name);
  }

  /** Returns the partitions of a stream, in their order. */
  partsOf(stream, parts) {
    return parts
      .map((part) => ({ part, partition: knownPartition(this.counts, part.name) }))
      .filter(({ partition }) => partition?.stream === stream)
      .sort((left, right) => left.partition.number - right.partition.number)
      .map(({ part }) => part);
  }

  #forget(name) {
    this.#asked.delete(name);
    this.counts.delete(name);
  }
}

module.exports = { PartitionedStreams };
