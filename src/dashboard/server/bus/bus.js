'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { isMissing } = require('../../../inspection/streams.js');
const { knownPartition, partitionOf } = require('../../../inspection/partitions/partition-counts.js');
const { BusServers } = require('./bus-servers.js');
const { Discovery } = require('./discovery.js');
const { findingsOf, slotsOf } = require('./findings.js');
const { History } = require('./history.js');
const { NodeFigures } = require('./node-figures.js');
const { PartitionedStreams } = require('./partitioned-streams.js');
const { RetentionFigures } = require('./retention-figures.js');
const { StreamPart } = require('./stream-part.js');
const { rowsOf } = require('./rows.js');

/** Time between two reads of INFO, consumers and pending entries, in ms. */
const SLOW = 10_000;
/** Maximum number of commands in one poll. Streams beyond it have their turn in a later poll. */
const MOST_COMMANDS = 1000;
/** Maximum time that the first poll waits for the search, in ms. */
const FIRST_SEARCH = 1000;

/** Age of a search that is good enough for a job, and the maximum time that the job waits for the next one, in ms. */
const FRESH = 1000;
const LONG_SEARCH = 2000;

/** State of a bus in memory: its servers, its streams and their history. Polls fill it, and pages read it. */
class Bus {
  #manager;
  #servers = null;
  #streams;
  #slowAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;
  #slots = [];
  /** @type {Map<string, StreamPart>} */
  #parts = new Map();
  #discovery = new Discovery((server, keys) => this.#onFound(server, keys));
  #partitioned = new PartitionedStreams();
  #retention = new RetentionFigures();
  history = new History();
  figures = new NodeFigures();
  rows = [];
  findings = [];
  polledAt = null;

  /** @param {{ name: string, manager: object, streams?: string[] }} options */
  constructor({ name, manager, streams }) {
    this.name = name;
    this.#manager = manager;
    this.#streams = streams;
  }

  /** Returns the servers; the first call connects to them. */
  get servers() {
    this.#servers ??= new BusServers(this.#manager);
    return this.#servers;
  }

  /** Returns the streams on their servers. */
  get parts() {
    return [...this.#parts.values()].filter(({ stream }) => stream !== null);
  }

  /** Returns the names of streams that no poll has read so far. */
  get unread() {
    return [...this.#parts.values()].filter(({ stream }) => stream === null).map(({ name }) => name);
  }

  /** Returns the state of the search for streams. */
  get search() {
    const isSearching = this.#streams === undefined || this.#streams.some((name) => this.counts.has(name));
    const isComplete = !isSearching || this.#discovery.isComplete;
    return { isComplete, reason: this.#discovery.reason };
  }

  /** Counts of the partitions of streams. */
  get counts() {
    return this.#partitioned.counts;
  }

  /** Returns the parts of a stream, or all partitions of a partitioned stream in their order. */
  partsOf(name, isPartitioned = false) {
    return isPartitioned
      ? this.#partitioned.partsOf(name, this.parts)
      : this.parts.filter((part) => part.name === name);
  }

  /** Returns the retention of a part that a page shows; `null` without, or before it is known. */
  retentionOf(part) {
    return this.#retention.of(part);
  }

  /**
   * Polls once. Never rejects: the state of a server has the reason of a failure.
   * @param {Set<string>} focus names of streams that a page shows, which are polled first and completely
   */
  async poll(focus) {
    const at = performance.now();
    const isSlow = at - this.#slowAt >= SLOW;
    if (isSlow) {
      this.#slowAt = at;
      await this.servers.refresh();
      this.#slots = await slotsOf(this);
      this.#forgetOtherServers();
    } else this.servers.retry();
    await this.#discover(at);
    await this.#partitioned.refresh(this.servers.all, this.#names(), isSlow);
    await Promise.all(this.#due(focus, at).map(([part, isDetailed]) => this.#pollPart(part, at, isDetailed)));
    if (this.#isClosed) return;
    await this.#retention.refresh(
      this.servers,
      this.parts.filter((part) => this.#isShown(part, focus)),
      at,
    );
    this.polledAt = Date.now();
    this.rows = rowsOf(this);
    this.findings = await findingsOf(this, this.#slots);
    this.#record(focus);
  }

  /** Reads a stream of the bus at once, for a page that must not wait for its turn. */
  async refresh(name) {
    const at = performance.now();
    await Promise.all(this.partsOf(name).map((part) => this.#pollPart(part, at, true)));
    this.rows = rowsOf(this);
  }

  /** Searches for new streams, if the last search is some seconds ago, and reads them. */
  async searchAgain() {
    if (this.#streams !== undefined) return;
    const at = performance.now();
    await within(this.#discovery.run(this.servers.all, at, FRESH), LONG_SEARCH);
    const found = [...this.#parts.values()].filter(({ stream, server }) => stream === null && server.isUp);
    await Promise.all(found.slice(0, MOST_COMMANDS / 10).map((part) => this.#pollPart(part, at, true)));
  }

  /** Reads a stream that is not known yet. It stays unknown if no server has it. */
  async provide(name) {
    const at = performance.now();
    const parts = this.servers.all
      .filter(({ isUp }) => isUp)
      .map((server) => this.#found(server, [`${server.prefix}:str:${name}`])[0]);
    await Promise.all(parts.map((part) => this.#pollPart(part, at, true)));
    this.rows = rowsOf(this);
  }

  async close() {
    this.#isClosed = true;
    this.#discovery.close();
    await this.#servers?.close();
  }

  /** Searches for streams. Only the first search is waited for, and not for long. */
  async #discover(at) {
    if (this.#streams === undefined) {
      const search = this.#discovery.run(this.servers.all, at);
      if (this.polledAt === null) await within(search, FIRST_SEARCH);
      return;
    }
    for (const server of this.servers.all) {
      const keys = this.#streams.map((name) => `${server.prefix}:str:${name}`);
      this.#found(server, keys);
    }
    // Only a search finds partitions.
    if (!this.#streams.some((name) => this.counts.has(name))) return;
    const search = this.#discovery.run(this.servers.all, at);
    if (!this.#discovery.isComplete) await within(search, FIRST_SEARCH);
  }

  /** Returns the names of streams, for the question which of them have partitions. */
  #names() {
    const found = [...this.#parts.values()].flatMap(({ name }) => partitionOf(name)?.stream ?? []);
    return new Set([...found, ...(this.#streams ?? [])]);
  }

  /** Adds the streams that a search has found. With given streams these are their partitions. */
  #onFound(server, keys) {
    const begin = `${server.prefix}:str:`.length;
    const isWanted = (key) => this.#streams.includes(partitionOf(key.slice(begin))?.stream);
    this.#found(server, this.#streams === undefined ? keys : keys.filter(isWanted));
  }

  /** Adds streams by their keys; returns them. */
  #found(server, keys) {
    return keys.map((key) => {
      const id = `${server.name}\n${key}`;
      const part = this.#parts.get(id) ?? new StreamPart(server, key);
      this.#parts.set(id, part);
      return part;
    });
  }

  #forgetOtherServers() {
    const servers = new Set(this.servers.all);
    for (const [id, { server }] of this.#parts) if (!servers.has(server)) this.#parts.delete(id);
  }

  /** Returns the streams to poll within the limit, each with true if its details are due as well. */
  #due(focus, at) {
    const waiting = [...this.#parts.values()].filter(({ server }) => server.isUp);
    const isShown = (part) => this.#isShown(part, focus);
    waiting.sort((left, right) => isShown(right) - isShown(left) || left.polledAt - right.polledAt);
    const due = [];
    let left = MOST_COMMANDS;
    for (const part of waiting) {
      const isDetailed = isShown(part) || at - part.detailedAt >= SLOW;
      left -= part.cost(isDetailed);
      if (left < 0 && due.length > 0) break;
      due.push([part, isDetailed]);
    }
    return due;
  }

  /** Returns true for a part of a stream that a page shows, and for all partitions of it. */
  #isShown({ name }, focus) {
    return focus.has(name) || focus.has(knownPartition(this.counts, name)?.stream);
  }

  async #pollPart(part, at, isDetailed) {
    try {
      await part.poll(at);
      if (isDetailed) await part.detail(at);
    } catch (error) {
      if (isMissing(error)) this.#parts.delete(`${part.server.name}\n${part.key}`);
      else if (error.name === 'ReplyError') part.polledAt = at;
      else this.servers.settle(part.server, error);
    }
  }

  /** Notes the figures of all streams, and of single partitions that a page shows. */
  #record(focus) {
    const now = this.polledAt;
    const shown = this.parts.filter(({ name }) => focus.has(name) && knownPartition(this.counts, name) !== null);
    for (const row of [...this.rows, ...rowsOf({ parts: shown })]) {
      if (now - row.polledAt > SLOW) continue;
      this.history.add(row.id, now, [row.lag, row.pending, row.added, row.settled]);
    }
    this.figures.record(this.servers.all, this.history, now);
  }
}

/** Resolves with a promise, and at the latest after some ms. */
function within(promise, ms) {
  return Promise.race([promise, sleep(ms, undefined, { ref: false })]);
}

module.exports = { Bus };
