'use strict';

/** Number of names of partitions after which the older ones are forgotten, once the same number was used since. */
const MOST_NAMES = 16384;

/** Streams by the names of their partitions: those that a producer listens to, and those that it has sent to of late. */
class PartitionNames {
  #listened = new Map();
  #recent = new Map();
  #older = new Map();

  /** Returns the stream of a partition; the name itself without one. */
  streamOf(name) {
    return this.#recent.get(name) ?? this.#older.get(name) ?? this.#listened.get(name) ?? name;
  }

  /** Adds all partitions of a stream that jobs are sent to. */
  send(stream, names) {
    if (this.#recent.get(names.at(-1)) === stream) return;
    if (this.#recent.size >= MOST_NAMES) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    for (const name of names) this.#recent.set(name, stream);
  }

  /** Adds all partitions of a stream whose completions are received. */
  listen(stream, names) {
    for (const name of names) this.#listened.set(name, stream);
  }

  /** Number of names. */
  get size() {
    return this.#listened.size + this.#recent.size + this.#older.size;
  }
}

module.exports = { MOST_NAMES, PartitionNames };
