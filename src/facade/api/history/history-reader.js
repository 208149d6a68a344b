'use strict';

const { newId } = require('../../bridge/job-ids.js');
const { isBehind } = require('../../redis/entry-ids.js');
const { FIRST_PAGE, nextCount, sizeOf } = require('../../redis/page-size.js');
const { abortable, throwIfAborted } = require('../../support/abort.js');
const { closedError, setErrorKind } = require('../../support/errors.js');
const timers = require('../../support/timers.js');
const { HistoryEntry } = require('./history-entry.js');
const { BEGINNING } = require('./history-options.js');
const { HistoryPosition } = require('./history-position.js');

/** Time for a reply beyond the time of a blocking read, in ms, unless `socketTimeout` is less. */
const GRACE = 5000;
/** Result of a read on a connection that was silent. */
const NOTHING = Symbol('nothing');
/** Longest timer, in ms. */
const LONGEST = 2 ** 31 - 1;

/** Reader of a history, on a connection of its own that ends with the iteration. */
class HistoryReader {
  #manager;
  #options;
  #node;
  #key;
  #position;
  #client = null;
  #count = FIRST_PAGE;
  #blockTimeout;
  #hasQueue;
  /** Time for the reply to another read, in ms. */
  #patience;
  /** Time for a reply beyond the time of a blocking read, in ms. */
  #grace;

  /**
   * @param {import('../connection-manager.js').ConnectionManager} manager
   * @param {object} options see `historyOptions()`; `node` is the index of a node, which has priority over the route
   * @param {{ commandTimeout: number, socketTimeout: number, hasQueue: boolean }} patience limits of the connection, in ms;
   *   `hasQueue` is false if commands do not wait for it
   */
  constructor(manager, options, { commandTimeout, socketTimeout, hasQueue }) {
    const native = manager.nativeBus();
    this.#manager = manager;
    this.#options = options;
    this.#node = options.node ?? (manager.isPartitioned ? native.route(options.route) : 0);
    this.#key = native.streamKey(this.#node, options.stream);
    this.#position = new HistoryPosition(options.start, options.isTime);
    // A blocking read must end before the connection gives it up.
    this.#blockTimeout = Math.max(1, Math.min(options.blockTimeout, Math.floor(commandTimeout / 2)));
    this.#hasQueue = hasQueue;
    this.#patience = Math.min(socketTimeout, LONGEST);
    this.#grace = Math.min(GRACE, socketTimeout);
  }

  /** Yields the entries. Ends after the last one, unless it is live. */
  async *entries() {
    const { isLive, stream, signal } = this.#options;
    const shared = this.#manager.sharedClient();
    try {
      for (;;) {
        throwIfAborted(signal);
        const page = await abortable(this.#watched(this.#patience, this.#page()), signal);
        if (page === NOTHING) continue;
        const entries = this.#accept(page);
        const isLast = entries.length < page.count;
        for (const entry of entries) {
          throwIfAborted(signal);
          yield new HistoryEntry(shared, stream, entry);
        }
        if (isLast && !isLive) return;
        if (!isLast) continue;
        throwIfAborted(signal);
        await abortable(this.#watched(this.#blockTimeout + this.#grace, this.#wait()), signal);
      }
    } finally {
      this.#close();
    }
  }

  /** Reads a page. It changes nothing here, since the connection can be given up meanwhile. */
  async #page() {
    const { id } = this.#position;
    const count = this.#count;
    const client = this.#open();
    if (!this.#hasQueue) await whenReady(client);
    if (id !== null && id !== BEGINNING) {
      const page = textIds(await this.#open().callBuffer('xrange', this.#key, id, '+', 'COUNT', count + 1));
      // If the entry of the position is still there, nothing behind it was trimmed.
      if (page[0]?.[0] === id) return { count, entries: page.slice(1), state: undefined };
    }
    return this.#pageWithState(id, count);
  }

  /** Reads a page and the state of the stream at one moment. */
  async #pageWithState(id, count) {
    const from = id === null || id === BEGINNING ? '-' : id;
    const transaction = this.#open().multi().call('xinfo', 'STREAM', this.#key);
    const [[failure, info], [error, page]] = await transaction
      .callBuffer('xrange', this.#key, from, '+', 'COUNT', count + 1)
      .exec();
    // The code of a stream that does not exist is ERR.
    if (failure && failure.code !== 'ERR') throw failure;
    if (error) throw error;
    return { count, entries: textIds(page), state: failure ? null : stateOf(info) };
  }

  /** Moves the position behind a page, and reports removed entries. @returns the entries to deliver */
  #accept({ count, entries, state }) {
    const accepted = state === undefined ? entries : this.#behindPosition(entries, count, state);
    if (accepted.length > 0) {
      this.#position.advance(accepted);
      this.#count = nextCount(accepted, sizeOf(accepted));
    }
    return accepted;
  }

  #behindPosition(entries, count, state) {
    const gap = this.#position.look(state);
    if (gap !== null) this.#report(gap);
    // The page can have entries before a position that has moved.
    const behind = entries.filter(([id]) => isBehind(id, this.#position.id));
    return behind.slice(0, count);
  }

  #report(gap) {
    const { stream, onTrimmed } = this.#options;
    if (onTrimmed !== undefined) onTrimmed({ stream, ...gap });
    else throw trimmedError(stream, gap);
  }

  /** Waits for an entry behind the position, at most for the time of a blocking read. */
  #wait() {
    const after = this.#position.id ?? BEGINNING;
    const words = ['COUNT', 1, 'BLOCK', this.#blockTimeout, 'STREAMS', this.#key, after];
    return this.#open().callBuffer('xread', ...words);
  }

  /**
   * Resolves like `read`. If the connection is silent for `ms`, it closes the connection, and the next read opens another one.
   * @returns {Promise<any>} `NOTHING` after silence
   */
  async #watched(ms, read) {
    const client = this.#client;
    let timer;
    const silence = new Promise((resolve) => {
      const check = () => {
        // A connection that is being opened again has limits of its own.
        if (client?.status === 'ready') resolve(NOTHING);
        else timer = timers.setTimeout(check, ms);
      };
      timer = timers.setTimeout(check, ms);
    });
    try {
      const found = await Promise.race([read, silence]);
      if (found === NOTHING) this.#close();
      return found;
    } finally {
      timers.clearTimeout(timer);
    }
  }

  #open() {
    this.#client ??= this.#manager.clientOf(`history:${newId()}`, this.#node);
    return this.#client;
  }

  #close() {
    this.#client?.disconnect();
    this.#client = null;
  }
}

/** Resolves when a connection that was opened can be used. */
function whenReady(client) {
  if (client.status === 'ready') return undefined;
  return new Promise((resolve, reject) => {
    client.once('ready', resolve);
    client.once('error', reject);
    client.once('end', () => reject(closedError()));
    // A lazy connection is opened by its first command.
    if (client.status === 'wait') client.call('ping').catch(() => {});
  });
}

function textIds(entries) {
  return entries.map(([id, fields]) => [id.toString(), fields]);
}

/** Converts the reply to XINFO STREAM. @returns {import('./history-position.js').StreamState} */
function stateOf(info) {
  const field = (name) => (info.includes(name) ? info[info.indexOf(name) + 1] : null);
  const added = field('entries-added');
  return {
    first: field('first-entry')?.[0] ?? null,
    last: field('last-generated-id'),
    length: Number(field('length')),
    added: added === null ? null : Number(added),
  };
}

function trimmedError(stream, { after, oldest, count }) {
  const entries = count === null ? 'Entries' : `${count} entries`;
  const advice = 'read from another id, or accept the gap with onTrimmed';
  const error = new Error(`${entries} of '${stream}' after ${after} were removed before they were read: ${advice}`);
  return Object.assign(setErrorKind(error, 'HISTORY_TRIMMED'), { stream, after, oldest, count });
}

module.exports = { HistoryReader };
