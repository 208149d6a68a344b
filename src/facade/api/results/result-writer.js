'use strict';

const { closedError, setErrorKind } = require('../../support/errors.js');
const { errorData } = require('../../support/serialize-error.js');
const timers = require('../../support/timers.js');
const { BEGINNING, chunkId, partsOf } = require('./chunk-id.js');
const { KINDS, encode } = require('./chunk-message.js');
const { ask, readEntries, transact } = require('./result-commands.js');
const { closedResultError } = require('./result-errors.js');

/** Maximum number of chunks of a run that wait for a reply of Redis, and of their bytes. */
const MOST_WAITING = 1000;
const MOST_BYTES = 16 * 1024 * 1024;
/** Maximum number of chunks in one write, and of their bytes. */
const MOST_IN_WRITE = 250;
const BYTES_IN_WRITE = 1024 * 1024;
/** Refusals that pass. A chunk that is sent again has the same id, so it is never there twice. */
const PASSING = ['READONLY', 'LOADING', 'TRYAGAIN', 'CLUSTERDOWN', 'MASTERDOWN', 'CONNECTION_LOST', 'BUSY'];
/** Maximum number of attempts after such refusals, and the time between them, in ms. */
const MOST_ATTEMPTS = 50;
const ATTEMPT_INTERVAL = 100;

/** Writer of the chunks of one run. It has one write under way, so that chunks stay in order whatever happens to a connection. */
class ResultWriter {
  #link;
  #source;
  #limits;
  /** Count of chunks that have an id. */
  #count = 0;
  /** Number of the delivery; 0 if it is not known yet. */
  #delivery;
  /** Id of the last chunk in Redis; `null` if another run can have written before. */
  #last;
  #waiting = [];
  #waitingBytes = 0;
  /** Promise of the write under way. */
  #writing = null;
  /** Reason for which the run emits no more. */
  #failure = null;
  #isClosed = false;
  /** True after a stop of the bus, which a write would open again. */
  #isStopped = false;

  /**
   * @param {number} link number of the shared connection to the node of the result
   * @param {import('../../../../native.js').NativeResultSource} source
   * @param {{ capped: number, ttl: number }} limits
   */
  constructor(link, source, limits) {
    this.#link = link;
    this.#source = source;
    this.#limits = limits;
    this.#delivery = source.deliveries;
    this.#last = source.deliveries === 1 ? BEGINNING : null;
  }

  /** Adds a chunk. Resolves when Redis has it. */
  emit({ kind, value }) {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#isClosed) return Promise.reject(closedResultError('The run has ended: emit() must come before'));
    const isLarge = this.#waitingBytes > 0 && this.#waitingBytes + value.length > MOST_BYTES;
    if (this.#waiting.length >= MOST_WAITING || isLarge) {
      this.#failure = setErrorKind(new Error('Too many chunks wait for Redis: await emit()'), 'QUEUE_FULL');
      return Promise.reject(this.#failure);
    }
    return this.#add(kind, value);
  }

  /**
   * Writes the chunks that wait, and then the end.
   * @param {string | null} error JSON of the error of the run; `null` for a success
   * @returns {Promise<Error | null>} reason for which a chunk is missing, so that the run has failed
   */
  async end(error) {
    this.#isClosed = true;
    while (this.#writing !== null) await this.#writing;
    const failure = this.#failure;
    if (this.#isStopped || failure?.code === 'RESULT_CLOSED') return null;
    this.#failure = null;
    // Without this entry readers know the end by the settlement.
    const end = error ?? (failure === null ? '' : errorData(failure));
    await this.#add('end', end).catch(() => {});
    return failure;
  }

  /** Ends the run without an end of the result: another delivery continues. */
  close() {
    this.#isClosed = true;
    this.#isStopped = true;
    this.#failure ??= closedError();
    this.#refuse(this.#waiting.splice(0), this.#failure);
  }

  #add(kind, value) {
    const chunk = { kind, value, id: '', resolve: null, reject: null };
    const added = new Promise((resolve, reject) => Object.assign(chunk, { resolve, reject }));
    this.#waiting.push(chunk);
    this.#waitingBytes += value.length;
    this.#writing ??= this.#writeAll();
    return added;
  }

  /** Writes until nothing waits. Chunks of one tick leave together. */
  async #writeAll() {
    await undefined;
    while (this.#waiting.length > 0) {
      const chunks = this.#take();
      try {
        await this.#write(chunks);
        for (const { resolve } of chunks) resolve();
      } catch (error) {
        this.#failure ??= error;
        this.#refuse([...chunks, ...this.#waiting.splice(0)], error);
      }
    }
    // At once, since a chunk that is added before the end of this promise begins another write.
    this.#writing = null;
  }

  #take() {
    let bytes = 0;
    let count = 0;
    for (const { value } of this.#waiting) {
      bytes += value.length;
      if (count > 0 && (count === MOST_IN_WRITE || bytes > BYTES_IN_WRITE)) break;
      count++;
    }
    const chunks = this.#waiting.splice(0, count);
    for (const { value } of chunks) this.#waitingBytes -= value.length;
    return chunks;
  }

  #refuse(chunks, error) {
    for (const { reject } of chunks) reject(error);
    if (this.#waiting.length === 0) this.#waitingBytes = 0;
  }

  async #write(chunks) {
    if (this.#isStopped) throw closedError();
    if (this.#delivery === 0) await this.#findDelivery();
    const [time] = this.#source.entry.split('-').map(Number);
    for (const [at, chunk] of chunks.entries()) {
      chunk.id = chunkId({ time, delivery: this.#delivery, count: this.#count + at + 1 });
    }
    for (const [at, [error]] of (await this.#transact(chunks)).slice(0, chunks.length).entries()) {
      if (error) await this.#check(chunks[at], error);
      // The end after a chunk that was refused has its id.
      this.#count++;
      this.#last = chunks[at].id;
    }
  }

  /** Sends the transaction of chunks, and again after a refusal that passes. */
  async #transact(chunks) {
    const { key, channel } = this.#source;
    const { capped, ttl } = this.#limits;
    const adds = chunks.map((chunk) => ['xadd', key, 'MAXLEN', '~', capped, chunk.id, ...this.#fieldsOf(chunk)]);
    const commands = [...adds, ['pexpire', key, ttl], ['publish', channel, encode(this.#last, chunks)]];
    for (let attempt = 1; ; attempt++) {
      try {
        const replies = await transact(this.#link, commands);
        const refusal = replies.find(([error]) => PASSING.includes(error?.code))?.[0];
        if (refusal === undefined) return replies;
        throw refusal;
      } catch (error) {
        if (attempt === MOST_ATTEMPTS || !PASSING.includes(error.code)) throw error;
        await new Promise((resolve) => timers.setTimeout(resolve, ATTEMPT_INTERVAL));
        if (this.#isStopped) throw error;
      }
    }
  }

  /** The first chunk of a run names the entry, so that readers can ask whether it is pending. */
  #fieldsOf({ id, kind, value }) {
    const { entry, streamKey } = this.#source;
    return partsOf(id).count === 1 ? [kind, value, 'entry', entry, 'stream', streamKey] : [kind, value];
  }

  /** Accepts the refusal of a chunk that is there already, since the connection was lost before the reply. */
  async #check({ id, kind, value }, refusal) {
    if (!refusal.message.includes('equal or smaller')) throw refusal;
    const [found] = await readEntries(this.#link, this.#source.key, id, 1);
    const isThere = found?.id === id && KINDS.includes(kind) && found.fields[kind]?.equals(Buffer.from(value));
    if (!isThere) throw closedResultError('A later run of the job has emitted: this one has lost its entry');
  }

  /** Finds a number for a delivery that is not known, after those of the runs before. */
  async #findDelivery() {
    const { entry, key } = this.#source;
    const [last] = await ask(this.#link, 'xrevrange', key, '+', '-', 'COUNT', 1);
    const parts = last === undefined ? null : partsOf(last[0].toString());
    this.#delivery = parts !== null && parts.time === Number(entry.split('-')[0]) ? parts.delivery + 1 : 1;
  }
}

module.exports = { ResultWriter };
