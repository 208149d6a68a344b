'use strict';

const checks = require('../../options/validate.js');
const { routeOf } = require('../sending/send-options.js');
const { partitionCount } = require('./partition-counts.js');
const { PartitionNames } = require('./partition-names.js');

/** Partitions of the streams that a producer sends to or listens to. */
class SentPartitions {
  #connection;
  /** Names of the partitions; `null` without any. */
  #names = null;
  /** Number of jobs without a key that went to a partition in turn. */
  #turns = 0;

  /** @param {import('../connection-manager.js').ConnectionManager} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /** Returns the stream that a name belongs to: a partition's, or the name itself. */
  streamOf(name) {
    return this.#names?.streamOf(name) ?? name;
  }

  /** Returns the names of the partitions of a stream. Completions there are those of the stream. */
  namesOf(stream, count) {
    const names = this.#connection.partitionCounts.namesOf(stream, count);
    this.#names ??= new PartitionNames();
    this.#names.send(stream, names);
    return names;
  }

  /** Resolves with the names of the partitions of a stream that has `least` of them at least. */
  async agreedNames(stream, least) {
    return this.namesOf(stream, await this.#connection.partitionCounts.agree(stream, least));
  }

  /** Resolves with the names of the partitions whose completions are received. */
  async #listenTo(stream, least) {
    const names = await this.agreedNames(stream, least);
    this.#names.listen(stream, names);
    return names;
  }

  /** Returns the name of a stream to listen to, or a promise of those of its partitions. */
  listenedNames(given) {
    if (typeof given !== 'object' || given === null) return checks.name('stream', given);
    const stream = checks.name('stream', given.stream);
    const least = partitionCount(given.partitions);
    return least === 0 ? stream : this.#listenTo(stream, least);
  }

  /** Chooses the partition of a job, since each has a backlog of its own. The job is then one of the partition's stream. */
  place(entry) {
    const { name, key, once, partitions } = entry;
    if (partitions === 0) return entry;
    const leading = key ?? (once !== null && !once.isOfJob ? once.id : null);
    const at =
      leading === null ? this.#turns++ % partitions : this.#connection.nativeBus().partitionOf(leading, partitions);
    entry.name = this.namesOf(name, partitions)[at];
    entry.leadsBy = this.#connection.isPartitioned ? routeOf(undefined, entry.name) : entry.name;
    entry.partitions = 0;
    entry.least = 0;
    return entry;
  }
}

module.exports = { SentPartitions };
