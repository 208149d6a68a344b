'use strict';

const { retentionOf } = require('../../../inspection/retention-state.js');

/** Time between two reads of the retention of a stream, in ms, and the number of streams that one poll reads. */
const INTERVAL = 10_000;
const MOST = 50;

/** Retention of the streams that pages show. */
class RetentionFigures {
  /** @type {WeakMap<import('./stream-part.js').StreamPart, { at: number, state: object | null }>} */
  #known = new WeakMap();

  /**
   * Reads the retention of the streams whose turn it is. Never rejects: without an answer the state stays.
   * @param {import('./bus-servers.js').BusServers} servers
   * @param {import('./stream-part.js').StreamPart[]} parts
   */
  async refresh({ all, isCluster }, parts, at) {
    const readAt = (part) => this.#known.get(part)?.at ?? Number.NEGATIVE_INFINITY;
    const due = parts.filter((part) => part.server.isUp && at - readAt(part) >= INTERVAL);
    due.sort((left, right) => readAt(left) - readAt(right));
    const up = all.filter(({ isUp }) => isUp);
    const read = async (part) => {
      const state = await part.retentionBy(isCluster ? up : [part.server], retentionOf).catch(() => undefined);
      this.#known.set(part, { at, state: state === undefined ? this.of(part) : state });
    };
    await Promise.all(due.slice(0, MOST).map(read));
  }

  /** Returns the retention of a stream; `null` without, or before it is known. */
  of(part) {
    return this.#known.get(part)?.state ?? null;
  }
}

module.exports = { RetentionFigures };
