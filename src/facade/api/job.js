'use strict';

const { abortable, signalOf, throwIfAborted } = require('../support/abort.js');
const checks = require('../options/validate.js');
const { newId } = require('../bridge/job-ids.js');
const { RedisClient } = require('../redis/redis-client.js');
const requests = require('../bridge/pending-requests.js');
const { Delivery } = require('./payload/delivery.js');
const { LocalPayload } = require('./payload/local-payload.js');
const { packPull, packPush } = require('./payload/payload-commands.js');
const { copied, encode, expiry, put } = require('./payload/payload-values.js');
const { readStored } = require('./codecs/stored-value.js');
const { AWAITED } = require('./results/awaited.js');
const { encodeChunk } = require('./results/chunk-value.js');
const { SharedClient } = require('./shared-client.js');

/** Maximum size of a pushed value that a send can carry, in bytes. */
const LARGEST_CARRIED = 4096;
/** List of a job without any. One for all, since most jobs need no list of their own. */
const NONE = Object.freeze([]);

/** Job: an id, and payload keys beside the stream. */
class Job {
  #client;
  #sets = NONE;
  #gets = NONE;
  #dels = NONE;
  /** Run of a received job. */
  #run = null;
  /** Small values that were pushed since the last send; `null` in place of others. */
  #pushed = null;
  /** Values that need no trip: those that came with a delivery, and those that a completion returned. */
  #local = null;

  /**
   * @param {{keyPrefix: string}} client client of a `ConnectionManager`; a new job opens no connection
   * @param {string} [id] random if it is falsy
   */
  constructor(client, id) {
    if (typeof client?.keyPrefix !== 'string') throw notAClient();
    checks.text('id', id);
    this.#client = client;
    this.id = id || newId();
  }

  /** @internal Turns a job into a received job. */
  static receive(job, run) {
    job.#run = run;
  }

  /** @internal Returns true if a received job is settled. */
  static isSettled(job) {
    return job.#run?.isSettled ?? false;
  }

  /** @internal Sets the payload that came with the delivery of a received job. */
  static deliver(job, delivery) {
    job.#local = delivery;
  }

  /** @internal Adds values that were read in advance. */
  static bring(job, values) {
    job.#localPayload().add(values);
  }

  /** @internal Adds the values that completions returned, see `LocalPayload.answer`. */
  static answer(job, values, owed, isMissed) {
    if (job instanceof Job) job.#localPayload().answer(values, owed, isMissed);
  }

  /** @internal Returns the payload keys that were set and not pushed. */
  static unpushed(job) {
    return job instanceof Job ? [...new Set(job.#sets.map(({ key }) => key))] : [];
  }

  /** @internal Returns the values that can leave with a send; `null` without any. */
  static sendable(job) {
    if (!(job instanceof Job)) return null;
    const [sets, pushed, local] = [job.#sets, job.#pushed, job.#local];
    const kept = local instanceof Delivery && local.jobId === job.id ? local.forwarded() : [];
    if (kept.length > 0)
      return { sets: [...kept.filter((one) => !sets.some(({ key }) => key === one.key)), ...sets], pushed };
    return sets.length === 0 && pushed === null ? null : { sets, pushed };
  }

  /** @internal Takes the values that leave with a send. @returns {() => void} puts them back, after a failure */
  static takeSendable(job, { returns, isOnlyCopy }) {
    if (!(job instanceof Job)) return () => {};
    const [sets, pushed, local] = [job.#sets, job.#pushed, job.#local];
    job.#sets = NONE;
    job.#pushed = null;
    const known = local?.write(isOnlyCopy ? [] : sets) ?? [];
    // The answer of an earlier send is over.
    if (!(local instanceof Delivery)) known.push(...(local?.write(returns.map((key) => ({ key }))) ?? []));
    return () => {
      job.#sets = [...sets, ...job.#sets];
      job.#pushed ??= pushed;
      local?.restore(known);
    };
  }

  /** @internal Writes payload keys, apart from what a later send carries. */
  static pushSets(job, sets) {
    return packPush(new requests.Request(undefined), job.#names(), sets);
  }

  /** @internal Returns the changes that leave with the settlement of a received job; `null` without any. */
  static changes(job) {
    const [sets, local] = [job.#sets, job.#local];
    const isUnchanged = local === null || !(local instanceof Delivery) || local.isUnchanged();
    if (sets.length === 0 && isUnchanged) return null;
    const delivery = local instanceof Delivery ? local : new Delivery(job.id, false);
    job.#sets = NONE;
    return delivery.changes(sets);
  }

  /** @internal Adds a write of JSON or bytes. @param {number} timeout in ms; 0 for none */
  static setEncoded(job, key, value, timeout) {
    job.#write(key, value, timeout);
  }

  /** @internal Forgets pushed values, since a push failed. @param {Array | null} known from `LocalPayload.write` */
  static forgetPushed(job, known) {
    job.#pushed = null;
    if (known !== null) job.#local?.restore(known);
  }

  /** Returns the signal of a received job, which aborts when its outcome has no effect any more. */
  get signal() {
    return this.#run?.signal;
  }

  /** Returns the Redis key of a payload key. */
  prefix(key) {
    return `${this.#client.keyPrefix}:job:${this.id}:${checks.text('key', key)}`;
  }

  /** Adds a read to the next `pull()`. */
  get(key, asBuffer = true) {
    this.#gets = added(this.#gets, { key: checks.text('key', key), asBuffer: Boolean(asBuffer) });
    return this;
  }

  /** Adds a write, which leaves with the next `push()`, `send()` or settlement. */
  set(key, value, timeout) {
    const name = checks.text('key', key);
    this.#write(name, encode(name, value), expiry(name, timeout));
    return this;
  }

  /** Adds a removal to the next `pull()`. In a delivery it can wait for the settlement. */
  del(key) {
    this.#dels = added(this.#dels, checks.text('key', key));
    return this;
  }

  /** Adds a chunk to the result of a received job. Resolves when Redis has it. */
  emit(chunk) {
    try {
      if (this.#run === null) throw new TypeError('emit() needs a received job');
      const added = this.#run.emit(encodeChunk(this.id, chunk, this.#client.codecs));
      // The settlement reports the refusal of a chunk that is not awaited.
      added.catch(() => {});
      return added;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Returns the chunks that a group emits for a sent job, as an asynchronous iterable. It subscribes when it is read. */
  results(options) {
    if (typeof this.finished !== 'function') {
      throw new TypeError('results() needs a job that was sent with waitFor: use producer.results() for others');
    }
    return this.finished(AWAITED).results(options, this);
  }

  /** Writes the payload keys of `set()`. */
  push() {
    try {
      return this.#push();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Reads the keys of `get()`, then removes those of `del()`. An abort rejects, but cannot undo sent commands. */
  pull(options = {}) {
    try {
      const signal = signalOf('signal', options?.signal);
      throwIfAborted(signal);
      return abortable(this.#pull(), signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #write(key, value, timeout) {
    const { codecs } = this.#client;
    this.#sets = added(this.#sets, { key, value: codecs ? codecs.encode(this.id, key, value) : value, timeout });
  }

  #push() {
    const sets = this.#sets;
    if (sets.length === 0) return Promise.resolve();
    const names = this.#names();
    this.#sets = NONE;
    const known = this.#local?.write(sets) ?? null;
    const pushed = sets.map(carriable);
    this.#pushed = this.#pushed === null ? pushed : this.#pushed.concat(pushed);
    return packPush(new PushRequest(this, known), names, sets);
  }

  #pull() {
    const result = {};
    const isLocal = this.#local !== null && this.#local.jobId === this.id;
    const gets = isLocal ? this.#readLocalOrDrop(result) : this.#gets;
    const dels = isLocal ? this.#dels.filter((key) => !this.#local.remove(key)) : this.#dels;
    if (gets.length === 0 && dels.length === 0) {
      this.#gets = NONE;
      this.#dels = NONE;
      return Promise.resolve(result);
    }
    const names = this.#names();
    this.#gets = NONE;
    this.#dels = NONE;
    if (dels.length > 0) this.#pushed = this.#pushed?.filter(({ key }) => !dels.includes(key)) ?? null;
    const { codecs } = this.#client;
    if (!codecs || gets.length === 0 || dels.length === 0) return packPull(names, gets, dels, result, codecs);
    // A value that cannot be decoded must not be removed.
    return packPull(names, gets, [], result, codecs).then(() => packPull(names, [], dels, result, codecs));
  }

  #localPayload() {
    if (this.#local === null || this.#local.jobId !== this.id) this.#local = new LocalPayload(this.id);
    return this.#local;
  }

  /** Answers reads as `#readLocal()`. After a value that cannot be decoded the next `pull()` begins anew. */
  #readLocalOrDrop(result) {
    try {
      return this.#readLocal(result);
    } catch (error) {
      this.#gets = NONE;
      this.#dels = NONE;
      throw error;
    }
  }

  /** Answers reads from local values. @returns the remaining reads */
  #readLocal(result) {
    const local = this.#local;
    const { codecs } = this.#client;
    const left = this.#gets.filter((get) => {
      const { key, asBuffer } = get;
      const value = local.read(key);
      if (value === undefined) {
        get.isMissed = local.isMissed(key);
        return true;
      }
      // A copy of bytes, since the value can be read again.
      const own = value === null || !asBuffer ? value : Buffer.from(value);
      put(result, key, own === null ? null : readStored(own, key, asBuffer, codecs, this.id));
      return false;
    });
    for (const { key } of this.#gets) local.consume(key);
    return left;
  }

  /** Returns the connection's number and the id. Called before packing, since it can throw. */
  #names() {
    const client = this.#client;
    if (!(client instanceof SharedClient || client instanceof RedisClient)) throw notAClient();
    return [client.number, checks.text('job.id', this.id)];
  }
}

class PushRequest extends requests.Request {
  constructor(job, known) {
    super(undefined);
    this.job = job;
    this.known = known;
  }

  failed(error) {
    Job.forgetPushed(this.job, this.known);
    this.known = null;
    super.failed(error);
  }
}

/** Returns a list with one more element. */
function added(list, one) {
  if (list === NONE) return [one];
  list.push(one);
  return list;
}

/** Returns a pushed value as far as a later send can carry it. Bytes are copied, since their owner can change them. */
function carriable({ key, value, timeout }) {
  if (timeout > 0 || value.length > LARGEST_CARRIED) return { key, value: null };
  return { key, value: copied(value) };
}

function notAClient() {
  return new TypeError('client must be a client of a ConnectionManager');
}

module.exports = { Job };
