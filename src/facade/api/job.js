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

/** A job: an id, and a payload of keys beside the stream. */
class Job {
  #client;
  #sets = [];
  #gets = [];
  #dels = [];
  /** Of a received job: who runs it. */
  #run = null;
  /** Of a received job: what it began with, until it is read or changed; for no other id than this one. */
  #prefetched = null;

  /**
   * @param {{keyPrefix: string}} client a client of a `ConnectionManager`; nothing is connected by making a job
   * @param {string} [id] made up if it is falsy
   */
  constructor(client, id) {
    if (typeof client?.keyPrefix !== 'string') throw notAClient();
    checks.text('id', id);
    this.#client = client;
    this.id = id || newId();
  }

  /** @internal Makes a received job of it. */
  static receive(job, run) {
    job.#run = run;
  }

  /** @internal Gives a received job what its payload keys held when it began. */
  static bring(job, payloads) {
    job.#prefetched = { id: job.id, payloads };
  }

  /** @internal The payload keys of a job that were set and not pushed. */
  static unpushed(job) {
    return job instanceof Job ? [...new Set(job.#sets.map(({ key }) => key))] : [];
  }

  /** Of a received job: aborted when its outcome does not matter any more. */
  get signal() {
    return this.#run?.signal;
  }

  /** The Redis key of a payload key. */
  prefix(key) {
    return `${this.#client.keyPrefix}:job:${this.id}:${checks.text('key', key)}`;
  }

  /** Stacks a read for the next `pull()`. */
  get(key, asBuffer = true) {
    this.#gets.push({ key: checks.text('key', key), asBuffer: Boolean(asBuffer) });
    return this;
  }

  /** Stacks a write for the next `push()`. */
  set(key, value, timeout) {
    const name = checks.text('key', key);
    this.#sets.push({ key: name, value: encode(name, value), timeout: expiry(name, timeout) });
    return this;
  }

  /** Stacks a removal for the next `pull()`. */
  del(key) {
    this.#dels.push(checks.text('key', key));
    return this;
  }

  /** Writes what was stacked. */
  push() {
    try {
      return this.#push();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Reads, then removes, what was stacked; aborting `signal` rejects, but does not take back what was sent. */
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
   * Answers reads by what the job began with, once: the next read is to see what others have written since. A removal
   * and a change of the id end that too.
   * @returns the reads that are left
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

  /** The connection's number and the id, before anything is packed: what throws in between would spoil the packet. */
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

  /** A key that cannot be read as a payload is left out. */
  value(index, raw) {
    const { key, asBuffer } = this.gets[index];
    put(this.result, key, asBuffer || raw === null ? raw : decode(raw));
  }
}

/** Sets a property of its own, whatever it is called. */
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

/** Bytes as they are, anything else as JSON; what JSON has no word for is empty. */
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

/** What is no JSON is not thrown but returned: the other keys are worth having. */
function decode(text) {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}

/** Ms for PSETEX; 0 for none. */
function expiry(key, timeout) {
  if (!timeout) return 0;
  const ms = typeof timeout === 'string' ? Number(timeout) : timeout;
  if (!Number.isSafeInteger(ms) || ms < 1) {
    throw new RangeError(`The timeout of '${key}' must be a whole number of milliseconds from 1 on`);
  }
  return ms;
}

module.exports = { Job };
