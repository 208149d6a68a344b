'use strict';

const { BEGINNING, isAfter, partsOf } = require('./chunk-id.js');

/** Maximum number of chunks that wait for a reader, and of their bytes. A reader behind that reads the stream. */
const MOST_CHUNKS = 1000;
const MOST_BYTES = 1024 * 1024;

/** Chunks of messages that follow the position of a reader without a gap. */
class PushedChunks {
  #chunks = [];
  #bytes = 0;
  /** Id of the last chunk that the reader has, or that waits for it. */
  #last = BEGINNING;
  /** Messages that arrive during a read of the stream; `null` without one. */
  #early = null;
  #isBehind = true;

  /** Returns true if the reader must read the stream. */
  get isBehind() {
    return this.#isBehind;
  }

  /** Takes a message. One that does not follow the last chunk shows a gap. */
  offer(message) {
    if (this.#early !== null) {
      if (this.#early.length < MOST_CHUNKS) this.#early.push(message);
      else this.#isBehind = true;
      return;
    }
    if (this.#isBehind || this.#isKnown(message)) return;
    const { after, chunks } = message;
    const bytes = chunks.reduce((sum, { value }) => sum + value.length, this.#bytes);
    const isFull = this.#chunks.length + chunks.length > MOST_CHUNKS || bytes > MOST_BYTES;
    if (after !== this.#last || chunks.length === 0 || isFull) {
      this.#isBehind = true;
      return;
    }
    this.#chunks.push(...chunks);
    this.#bytes = bytes;
    this.#last = chunks.at(-1).id;
  }

  /** Removes and returns the chunks. */
  take() {
    const taken = this.#chunks;
    this.#chunks = [];
    this.#bytes = 0;
    return taken;
  }

  /** Lets the reader read the stream again, behind the chunks that wait. */
  drop() {
    this.#isBehind = true;
    if (this.#early !== null) this.#early.push({ after: '-', chunks: [] });
  }

  /** Begins a read of the stream. */
  begin() {
    this.take();
    this.#early = [];
    this.#isBehind = false;
  }

  /** Ends a read of the stream. @param {boolean} hasMore true if the stream can have more */
  end(last, hasMore) {
    const early = this.#early;
    const isBehind = this.#isBehind || hasMore;
    this.#early = null;
    this.#last = last;
    this.#isBehind = isBehind;
    for (const message of early) this.offer(message);
  }

  #isKnown({ chunks }) {
    const last = partsOf(this.#last);
    return chunks.length > 0 && !isAfter(partsOf(chunks.at(-1).id), last);
  }
}

module.exports = { PushedChunks };
