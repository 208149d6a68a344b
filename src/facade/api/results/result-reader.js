'use strict';

const { FIRST_PAGE, nextCount } = require('../../redis/page-size.js');
const { abortable, throwIfAborted, whenAborted } = require('../../support/abort.js');
const { startTimer } = require('../../support/long-timer.js');
const timers = require('../../support/timers.js');
const { BEGINNING } = require('./chunk-id.js');
const { KINDS } = require('./chunk-message.js');
const { decodeChunk } = require('./chunk-value.js');
const { isPending, readEntries } = require('./result-commands.js');
const { failedError, incompleteError, timeoutError, trimmedError } = require('./result-errors.js');
const { ResultPosition } = require('./result-position.js');
const { PushedChunks } = require('./pushed-chunks.js');

/** Time without a chunk after which a reader asks Redis, in ms: a message can be lost, and a job can end without an end of its result. */
const CHECK_INTERVAL = 10_000;
/** Reason of an end by the user. */
const STOPPED = Symbol('stopped');

/** Reader of the result of a job for a group. It reads the stream up to its end, and then takes messages of its channel. */
class ResultReader {
  #connection;
  #channels;
  #result;
  #options;
  #codecs;
  #place;
  #position;
  #pushed = new PushedChunks();
  /** Aborts at the end of the reader. */
  #ending = new AbortController();
  /** Ends the wait for a message. */
  #wake = () => {};
  /** Cancels the timer of the time without a chunk. */
  #cancelTimeout = null;
  #count = FIRST_PAGE;
  /** Entry of the run, from its first chunk; `null` if it is not known. */
  #entry = null;
  /** Reason of the end, if the last entry was one. Another run can have begun since, so it counts only if no entry follows. */
  #end = null;
  /** Outcome of the group by its completion; `undefined` before it. */
  #outcome = undefined;
  /** Position at which the entry was not pending any more; `null` while it is. */
  #isOverAt = null;
  /** Promise of the completions, if the job is awaited. */
  #completions;
  #open;

  /**
   * @param {import('../connection-manager.js').ConnectionManager} connection
   * @param {{ stream: string, group: string, id: string }} result
   * @param {object} options see `readerOptions()`
   * @param {{ codecs: object | null, completions: ((signal: AbortSignal) => Promise<object>) | null, open: Set<ResultReader> }} about
   *   `open` has the readers that have begun
   */
  constructor(connection, result, options, { codecs, completions, open }) {
    this.#connection = connection;
    this.#channels = connection.resultChannels;
    this.#result = result;
    this.#options = options;
    this.#codecs = codecs;
    this.#completions = completions;
    this.#open = open;
    this.#place = this.#channels.place(result);
    this.#position = new ResultPosition(options.from);
  }

  /** Takes a message. */
  offer(message) {
    this.#pushed.offer(message);
    this.#wake();
  }

  /** Reads the stream again, since a message can be missing. */
  fallBehind() {
    this.#pushed.drop();
    this.#wake();
  }

  /** Ends the reader with an error. */
  end(reason) {
    this.#ending.abort(reason);
  }

  /** Ends the reader without an error. */
  stop() {
    this.end(STOPPED);
  }

  /** Yields the chunks up to the end of the result. */
  async *chunks() {
    const { signal } = this.#ending;
    const endSignal = whenAborted(this.#options.signal, (reason) => this.end(reason));
    this.#open.add(this);
    try {
      this.#watchCompletions();
      await this.#until(this.#channels.add(this.#place, this));
      for (;;) {
        throwIfAborted(signal);
        const page = await this.#next();
        for (const entry of page) {
          throwIfAborted(signal);
          const chunk = this.#read(entry);
          if (chunk !== null) yield chunk;
        }
      }
    } catch (error) {
      if (error !== STOPPED) throw error;
    } finally {
      this.#open.delete(this);
      endSignal();
      this.#stopTimeout();
      this.#channels.remove(this.#place, this);
      this.stop();
    }
  }

  /** Returns the chunks behind the position: those of the stream, or those of messages once all of the stream are read. */
  async #next() {
    this.#startTimeout();
    if (this.#pushed.isBehind) return this.#page();
    const pushed = this.#pushed.take();
    if (pushed.length > 0) {
      this.#stopTimeout();
      return pushed;
    }
    if (this.#end !== null) throw this.#end;
    if (this.#outcome !== undefined) this.#endByOutcome();
    if (this.#isOverAt === this.#position.id) throw incompleteError(this.#result, this.#position.id);
    await this.#wait();
    return [];
  }

  /** Reads a page of the stream. */
  async #page() {
    const position = this.#position.id;
    const link = this.#connection.nativeBus().number + this.#place.node;
    this.#pushed.begin();
    const read = readEntries(link, this.#place.key, position === BEGINNING ? '-' : position, this.#count + 1);
    const entries = await this.#until(read);
    const isThere = entries[0]?.id === position;
    const page = isThere ? entries.slice(1) : entries.slice(0, this.#count);
    if (isThere) this.#resume(entries[0]);
    else if (entries.length === 0 && this.#position.isResumed) this.#report({ after: position, oldest: null });
    this.#position.isResumed = false;
    this.#pushed.end(page.length > 0 ? page.at(-1).id : position, page.length === this.#count);
    if (page.length > 0) {
      this.#stopTimeout();
      const size = page.reduce(
        (sum, { fields }) => sum + Object.values(fields).reduce((all, { length }) => all + length, 0),
        0,
      );
      this.#count = nextCount(page, size);
    }
    return page.map(({ id, fields }) => {
      const kind = KINDS.find((one) => one in fields);
      return { id, kind, value: fields[kind], entry: fields.entry, stream: fields.stream };
    });
  }

  /** Continues behind an entry that was read earlier, perhaps by another reader. */
  #resume({ fields }) {
    if (!this.#position.isResumed || fields.end === undefined) return;
    if (fields.end.length === 0) this.#end = STOPPED;
    // The next run of a job that has failed follows, and its completion is not that of this run.
    else this.#completions = null;
    this.#outcome = undefined;
  }

  /** Moves the position. @returns the chunk for the user; `null` for an end, and for an entry of a later version */
  #read({ id, kind, value, entry, stream }) {
    const { isRestart, gap } = this.#position.advance(id);
    if (gap !== null) this.#report(gap);
    if (entry !== undefined) this.#entry = { entry: entry.toString(), stream: stream.toString() };
    else if (isRestart) this.#entry = null;
    this.#end = null;
    if (kind === 'end') {
      const isSuccess = value.length === 0;
      this.#end = isSuccess ? STOPPED : failedError(this.#result, JSON.parse(value.toString()), id);
    }
    if (kind === undefined || kind === 'end') return null;
    const read = decodeChunk(this.#result.id, { kind, value }, this.#codecs);
    return { id, value: read, delivery: this.#position.delivery, restarted: isRestart };
  }

  #report(gap) {
    const { onTrimmed } = this.#options;
    if (onTrimmed === undefined) throw trimmedError(this.#result, gap);
    const { stream, group, id } = this.#result;
    onTrimmed({ stream, group, job: id, ...gap });
  }

  /** Waits for a message, the outcome, or the time of the next check. */
  async #wait() {
    let timer;
    const woken = new Promise((resolve) => {
      this.#wake = () => resolve(false);
      timer = timers.setTimeout(() => resolve(true), CHECK_INTERVAL);
    });
    try {
      if (await this.#until(woken)) await this.#check();
    } finally {
      timers.clearTimeout(timer);
      this.#wake = () => {};
    }
  }

  /** Reads the stream again. If the entry is not pending any more, its end was written before, or never will be. */
  async #check() {
    const isOver = this.#position.hasRead && !(await this.#until(this.#isPending()));
    this.#isOverAt = isOver ? this.#position.id : null;
    this.#pushed.drop();
  }

  async #isPending() {
    const bus = this.#connection.nativeBus();
    try {
      this.#entry ??= await this.#findEntry(bus.number + this.#place.node);
      // Without the first chunk of the run the entry is not known.
      if (this.#entry === null) return true;
      const { entry, stream } = this.#entry;
      for (let node = 0; node < this.#connection.nodeCount; node++) {
        if (await isPending(bus.number + node, stream, this.#place.group, entry)) return true;
      }
    } catch {
      // The next check asks again.
      return true;
    }
    return false;
  }

  /** Reads the entry of the run from its first chunk. @returns `null` if that was removed */
  async #findEntry(link) {
    const first = this.#position.firstOfRun;
    const [{ id, fields } = {}] = await readEntries(link, this.#place.key, first, 1);
    return id === first ? { entry: fields.entry.toString(), stream: fields.stream.toString() } : null;
  }

  /** Ends a result whose stream has no end, by the completion of the group. Its end is written before the completion. */
  #endByOutcome() {
    const outcome = this.#outcome;
    if (outcome instanceof Date && !this.#position.hasRead) throw STOPPED;
    if (outcome instanceof Date) throw incompleteError(this.#result, this.#position.id);
    throw failedError(this.#result, outcome, null);
  }

  #watchCompletions() {
    if (this.#completions === null) return;
    const note = (completions) => {
      const outcome = completions?.[this.#result.group];
      if (outcome === undefined || outcome === null || this.#completions === null) return;
      this.#outcome = outcome;
      this.fallBehind();
    };
    // It rejects with completions after an error, and otherwise since the reader or the bus has ended.
    this.#completions(this.#ending.signal).then(note, (reason) => {
      if (!(reason instanceof Error)) note(reason);
    });
  }

  #startTimeout() {
    const { timeout } = this.#options;
    if (timeout === Infinity) return;
    this.#cancelTimeout ??= startTimer(timeout, () => this.end(timeoutError(this.#result, timeout, this.#position.id)));
  }

  #stopTimeout() {
    this.#cancelTimeout?.();
    this.#cancelTimeout = null;
  }

  /** Resolves like a promise, unless the reader ends before. */
  #until(promise) {
    throwIfAborted(this.#ending.signal);
    return abortable(promise, this.#ending.signal);
  }
}

module.exports = { ResultReader };
