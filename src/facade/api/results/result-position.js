'use strict';

const { BEGINNING, chunkId, isSameRun, partsOf } = require('./chunk-id.js');

/** Position of a reader in a result: the last chunk that it has read. */
class ResultPosition {
  #id;
  /** Parts of the id; `null` in front of every chunk. */
  #parts;
  /** True until the first read behind a position that the user gave. */
  isResumed;

  /** @param {string | null} from id after which to read; `null` for the beginning */
  constructor(from) {
    this.#id = from ?? BEGINNING;
    this.#parts = from === null ? null : partsOf(from);
    this.isResumed = from !== null;
  }

  /** Returns the id of the last chunk. */
  get id() {
    return this.#id;
  }

  /** Returns the number of the delivery of the last chunk. */
  get delivery() {
    return this.#parts.delivery;
  }

  /** Returns the id of the first chunk of the run. */
  get firstOfRun() {
    return chunkId({ ...this.#parts, count: 1 });
  }

  /** Returns true if a chunk was read, now or by an earlier reader. */
  get hasRead() {
    return this.#parts !== null;
  }

  /**
   * Moves to a chunk.
   * @returns {{ isRestart: boolean, gap: { after: string, oldest: string } | null }} `isRestart` is true for the first chunk of
   *   a run after chunks of an earlier run; the gap is that of chunks of the run that are missing in front of this one
   */
  advance(id) {
    const [before, after] = [this.#parts, this.#id];
    const parts = partsOf(id);
    const isNewRun = before === null || !isSameRun(before, parts);
    const expected = isNewRun ? 1 : before.count + 1;
    this.#id = id;
    this.#parts = parts;
    return {
      isRestart: isNewRun && before !== null,
      gap: parts.count === expected ? null : { after, oldest: id },
    };
  }
}

module.exports = { ResultPosition };
