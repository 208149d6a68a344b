'use strict';

const { isBehind } = require('../../redis/entry-ids.js');
const { BEGINNING } = require('./history-options.js');

/**
 * State of a stream at one moment.
 * @typedef {object} StreamState
 * @property {string | null} first id of the oldest entry
 * @property {string} last id of the last entry that was ever added
 * @property {number} length
 * @property {number | null} added number of entries that were ever added; `null` before Redis 7
 */

/** Position of a reader in a stream: the id after which it reads. It tells entries that were removed before they were read. */
class HistoryPosition {
  /** Id after which to read; `null` for the oldest entry, `$` for the end. */
  #id;
  /** Number of entries that were ever added up to the position; `null` if unknown. */
  #ordinal;
  /** True if the stream was there. */
  #isSeen = false;
  /** True if the position is an entry that was read. */
  #isRead = false;

  /** True if the start was a time, which is no entry. */
  #isTime;

  /**
   * @param {string | null} start
   * @param {boolean} isTime
   */
  constructor(start, isTime) {
    this.#id = start;
    this.#isTime = isTime;
    this.#ordinal = start === BEGINNING ? 0 : null;
  }

  /** Returns the id after which to read; `null` before the first look at the stream. */
  get id() {
    return this.#id === '$' ? null : this.#id;
  }

  /**
   * Moves to what a look at the stream shows.
   * @param {StreamState | null} state `null` if there is no stream
   * @returns {{ after: string, oldest: string | null, count: number | null } | null} entries that were removed before they were
   *   read; `count` is `null` if their number is unknown
   */
  look(state) {
    const [isSeen, after] = [this.#isSeen, this.#id];
    this.#isSeen ||= state !== null;
    if (state === null) return this.#lookAtNothing(isSeen);
    if (after === null || after === '$') {
      this.#begin(state);
      return null;
    }
    const count = this.#removed(state);
    const isAhead = state.first === null || isBehind(state.first, after) || count < 0;
    if (isAhead) this.#ordinal = state.added === null ? null : state.added - state.length;
    // After a failover the last entries can be gone: those before them were read, and are not read again.
    const isLost = count < 0 && isBehind(after, state.last);
    if (isLost || (state.first === null && isBehind(state.last, after))) {
      this.#id = state.last;
      this.#ordinal = state.added;
    }
    return count === 0 ? null : { after, oldest: state.first, count: count > 0 ? count : null };
  }

  /** Moves behind entries that were read. */
  advance(entries) {
    this.#isSeen = true;
    this.#id = entries.at(-1)[0];
    this.#isRead = true;
    if (this.#ordinal !== null) this.#ordinal += entries.length;
  }

  #lookAtNothing(wasSeen) {
    const after = this.#id;
    const isStart = after === null || after === '$' || after === BEGINNING;
    // The id of an entry is known from a stream that is gone.
    const isGap = !isStart && (wasSeen || !this.#isTime);
    if (isGap || isStart) {
      this.#id = BEGINNING;
      this.#ordinal = 0;
    }
    this.#isSeen = false;
    this.#isRead = false;
    return isGap ? { after, oldest: null, count: null } : null;
  }

  #begin({ first, last, added, length }) {
    const isAtEnd = this.#id === '$' || first === null;
    this.#id = isAtEnd ? last : BEGINNING;
    this.#ordinal = added === null ? null : isAtEnd ? added : added - length;
  }

  /** Returns the number of removed entries behind the position, or -1 for an unknown number. */
  #removed({ first, last, length, added }) {
    const id = this.#id;
    if (!isBehind(last, id)) return this.#isRead && isBehind(id, last) ? -1 : 0;
    if (first !== null && !isBehind(first, id)) return 0;
    if (added === null) return id === BEGINNING ? 0 : -1;
    // A stream that has lost no entry has none that a time could miss.
    if (this.#ordinal === null) return this.#isTime && added === length ? 0 : -1;
    const count = added - this.#ordinal - length;
    return count < 0 ? -1 : count;
  }
}

module.exports = { HistoryPosition };
