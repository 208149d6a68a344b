'use strict';

const { isAnyArrayBuffer } = require('node:util').types;
const { Operation } = require('../bridge/native.js');
const { abortable, signalOf, throwIfAborted } = require('../support/abort.js');
const packetWriter = require('../bridge/packet-writer.js');
const checks = require('../options/validate.js');
const { newId } = require('../bridge/job-ids.js');
const { notAwaited, notJson } = require('../support/payload-error.js');
const { RedisClient } = require('../redis/redis-client.js');
const requests = require('../bridge/pending-requests.js');
const { SharedClient } = require('./shared-client.js');

/** Job: an id, and payload keys beside the stream. */
class Job {
  #client;
  #sets = [];
  #gets = [];
  #dels = [];
  /** Run of a received job. */
  #run = null;
  /** Prefetched payloads of a received job with its id, until they are read or changed. */
  #prefetched = null;

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

  /** @internal Sets the prefetched payloads of a received job. */
  static bring(job, payloads) {
    job.#prefetched = { id: job.id, payloads };
  }

  /** @internal Returns the payload keys that were set and not pushed. */
  static unpushed(job) {
    return job instanceof Job ? [...new Set(job.#sets.map(({ key }) => key))] : [];
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
    const [link, id] = this.#names();
    this.#sets = [];
    if (this.#prefetched) for (const { key } of sets) this.#prefetched.payloads.delete(key);
    const request = new requests.Request(undefined);
    packetWriter.begin(Operation.Push);
    packetWriter.writeNumber(link);
    packetWriter.writeRequest(request);
    packetWriter.writeNumber(sets.length);
    packetWriter.writeString(id);
    for (const { key, value, timeout } of sets) {
      packetWriter.writeString(key);
      packetWriter.writeNumber(timeout);
      packetWriter.writeWord(value);
    }
    packetWriter.end();
    return request.promise;
  }

  #pull() {
    const dels = this.#dels;
    const result = {};
    const gets = this.#prefetched ? this.#takePrefetched(result) : this.#gets;
    if (gets.length === 0 && dels.length === 0) {
      this.#gets = [];
      return Promise.resolve(result);
    }
    const [link, id] = this.#names();
    this.#gets = [];
    this.#dels = [];
    const request = new PullRequest(gets, result);
    packetWriter.begin(Operation.Pull);
    packetWriter.writeNumber(link);
    packetWriter.writeRequest(request);
    packetWriter.writeNumber(gets.length);
    packetWriter.writeNumber(dels.length);
    packetWriter.writeString(id);
    for (const { key, asBuffer } of gets) {
      packetWriter.writeString(key);
      packetWriter.writeNumber(asBuffer ? 0 : 1);
    }
    for (const key of dels) packetWriter.writeString(key);
    packetWriter.end();
    return request.promise;
  }

  /**
   * Answers reads from prefetched payloads, once per key: the next read must see later writes. A removal and a change of
   * the id drop them too.
   * @returns the remaining reads
   */
  #takePrefetched(result) {
    const { id, payloads } = this.#prefetched;
    if (id !== this.id) return this.#gets;
    const left = this.#gets.filter(({ key, asBuffer }) => {
      const bytes = payloads.get(key);
      if (bytes === undefined) return true;
      put(result, key, asBuffer ? bytes : decode(bytes.toString()));
      return false;
    });
    for (const { key } of this.#gets) payloads.delete(key);
    for (const key of this.#dels) payloads.delete(key);
    return left;
  }

  /** Returns the connection's number and the id. Called before packing, since it can throw. */
  #names() {
    const client = this.#client;
    if (!(client instanceof SharedClient || client instanceof RedisClient)) throw notAClient();
    return [client.number, checks.text('job.id', this.id)];
  }
}

class PullRequest extends requests.Request {
  constructor(gets, result) {
    super(result);
    this.gets = gets;
  }

  /** Receives a value. A key of another type than string is left out. */
  value(index, raw) {
    const { key, asBuffer } = this.gets[index];
    put(this.result, key, asBuffer || raw === null ? raw : decode(raw));
  }
}

/** Sets an own property, also with the name `__proto__`. */
function put(object, key, value) {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, configurable: true, enumerable: true });
  } else {
    object[key] = value;
  }
}

function notAClient() {
  return new TypeError('client must be a client of a ConnectionManager');
}

/** Returns bytes unchanged, and other values as JSON. A value without JSON is empty. */
function encode(key, value) {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (isAnyArrayBuffer(value)) return new Uint8Array(value);
  if (value instanceof Promise) throw notAwaited(key);
  try {
    return JSON.stringify(value) ?? '';
  } catch (error) {
    throw notJson(key, error);
  }
}

/** Parses JSON. An error is returned, not thrown, so that the other keys are read. */
function decode(text) {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}

/** Returns the time for PSETEX, in ms; 0 for none. */
function expiry(key, timeout) {
  if (!timeout) return 0;
  const ms = typeof timeout === 'string' ? Number(timeout) : timeout;
  if (!Number.isSafeInteger(ms) || ms < 1) {
    throw new RangeError(`The timeout of '${key}' must be a whole number of milliseconds from 1 on`);
  }
  return ms;
}

module.exports = { Job };
