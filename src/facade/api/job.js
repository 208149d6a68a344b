'use strict';

const { abortable, signalOf, throwIfAborted } = require('../support/abort.js');
const checks = require('../options/validate.js');
const { newId } = require('../bridge/job-ids.js');
const { setErrorKind } = require('../support/errors.js');
const { RedisClient } = require('../redis/redis-client.js');
const requests = require('../bridge/pending-requests.js');
const { Delivery } = require('./delivery.js');
const { LocalPayload } = require('./local-payload.js');
const { packPull, packPush } = require('./payload-commands.js');
const { decode, encode, expiry, put } = require('./payload-values.js');
const { SharedClient } = require('./shared-client.js');

/** Maximum size of a pushed value that a send can carry, in bytes. */
const LARGEST_CARRIED = 4096;

/** Job: an id, and payload keys beside the stream. */
class Job {
  #client;
  #sets = [];
  #gets = [];
  #dels = [];
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

  /** @internal Adds values that need no trip. Of `missed` keys nothing has the value. */
  static bring(job, values, missed) {
    if (!(job instanceof Job)) return;
    if (job.#local === null || job.#local.jobId !== job.id) job.#local = new LocalPayload(job.id);
    job.#local.add(values);
    if (missed !== undefined) job.#local.miss(missed);
  }

  /** @internal Returns the payload keys that were set and not pushed. */
  static unpushed(job) {
    return job instanceof Job ? [...new Set(job.#sets.map(({ key }) => key))] : [];
  }

  /** @internal Returns the values that can leave with a send; `null` without any. */
  static sendable(job) {
    if (!(job instanceof Job) || (job.#sets.length === 0 && job.#pushed === null)) return null;
    return { sets: job.#sets, pushed: job.#pushed };
  }

  /** @internal Takes the values that leave with a send. @returns {() => void} puts them back, after a failure */
  static takeSendable(job) {
    const [sets, pushed] = [job.#sets, job.#pushed];
    job.#sets = [];
    job.#pushed = null;
    job.#local?.write(sets);
    return () => {
      job.#sets = [...sets, ...job.#sets];
      job.#pushed ??= pushed;
    };
  }

  /** @internal Writes payload keys, apart from what a later send carries. */
  static pushSets(job, sets) {
    return packPush(new requests.Request(undefined), job.#names(), sets);
  }

  /** @internal Removes payload keys. */
  static removeKeys(job, keys) {
    return packPull(job.#names(), [], keys, {});
  }

  /** @internal Returns the changes that leave with the settlement of a received job; `null` without any. */
  static changes(job) {
    const [sets, local] = [job.#sets, job.#local];
    const isUnchanged = local === null || !(local instanceof Delivery) || local.isUnchanged();
    if (sets.length === 0 && isUnchanged) return null;
    const delivery = local instanceof Delivery ? local : new Delivery(job.id, false);
    job.#sets = [];
    return { ...delivery.changes(sets), jobId: delivery.jobId };
  }

  /** @internal Forgets pushed values, since a push failed. */
  static forgetPushed(job) {
    job.#pushed = null;
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
    this.#gets.push({ key: checks.text('key', key), asBuffer: Boolean(asBuffer) });
    return this;
  }

  /** Adds a write to the next `push()`. */
  set(key, value, timeout) {
    const name = checks.text('key', key);
    this.#sets.push({ key: name, value: encode(name, value), timeout: expiry(name, timeout) });
    return this;
  }

  /** Adds a removal to the next `pull()`. */
  del(key) {
    this.#dels.push(checks.text('key', key));
    return this;
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

  #push() {
    const sets = this.#sets;
    if (sets.length === 0) return Promise.resolve();
    const names = this.#names();
    this.#sets = [];
    this.#local?.write(sets);
    const pushed = sets.map(carriable);
    this.#pushed = this.#pushed === null ? pushed : this.#pushed.concat(pushed);
    return packPush(new PushRequest(this), names, sets);
  }

  #pull() {
    const result = {};
    const isLocal = this.#local !== null && this.#local.jobId === this.id;
    const gets = isLocal ? this.#readLocal(result) : this.#gets;
    const dels = isLocal ? this.#dels.filter((key) => !this.#local.remove(key)) : this.#dels;
    if (gets.length === 0 && dels.length === 0) {
      this.#gets = [];
      this.#dels = [];
      return Promise.resolve(result);
    }
    const names = this.#names();
    this.#gets = [];
    this.#dels = [];
    if (dels.length > 0) this.#pushed = this.#pushed?.filter(({ key }) => !dels.includes(key)) ?? null;
    return packPull(names, gets, dels, result);
  }

  /** Answers reads from local values. @returns the remaining reads */
  #readLocal(result) {
    const local = this.#local;
    const missed = this.#gets.find(({ key }) => local.isUnknown(key));
    if (missed !== undefined) {
      this.#gets = [];
      this.#dels = [];
      throw answerMissed(missed.key);
    }
    const left = this.#gets.filter(({ key, asBuffer }) => {
      const value = local.read(key);
      if (value === undefined) return true;
      put(result, key, value === null ? null : asBuffer ? Buffer.from(value) : decode(value.toString()));
      return false;
    });
    local.consume(this.#gets.map(({ key }) => key));
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
  constructor(job) {
    super(undefined);
    this.job = job;
  }

  failed(error) {
    Job.forgetPushed(this.job);
    super.failed(error);
  }
}

/** Returns a pushed value as far as a later send can carry it. Bytes are copied, since their owner can change them. */
function carriable({ key, value, timeout }) {
  if (timeout > 0 || value.length > LARGEST_CARRIED) return { key, value: null };
  return { key, value: typeof value === 'string' ? value : value.slice() };
}

/** Creates the error of a read whose answer nothing has. */
function answerMissed(key) {
  const message = `The completion that returned '${key}' was missed, and its entry was the only copy; send with durable`;
  return setErrorKind(new Error(message), 'ANSWER_MISSED');
}

function notAClient() {
  return new TypeError('client must be a client of a ConnectionManager');
}

module.exports = { Job };
