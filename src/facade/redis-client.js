'use strict';

const EventEmitter = require('eventemitter3');
const { NativeClient, Operation } = require('../../native.js');
const batch = require('./command-batch.js');
const { firstKey } = require('./first-key.js');
const reports = require('./reports.js');
const requests = require('./requests.js');

/** The connection of a bus that jobs and producers share. */
class SharedClient {
  #native;
  // biome-ignore lint/correctness/noUnusedPrivateClassMembers: held, so that the manager lives as long as its jobs, which may open connections again
  #manager;

  constructor(native, keyPrefix, enablePipelining, manager) {
    this.#native = native;
    this.#manager = manager;
    this.number = native.number;
    this.keyPrefix = keyPrefix;
    this.enablePipelining = enablePipelining;
  }

  get status() {
    return this.#native.status;
  }
}

/** A connection of the user's own. */
class RedisClient extends EventEmitter {
  #native;

  /** @internal Made by `ConnectionManager.getClient()`. */
  constructor(bus, node, keyPrefix, enablePipelining) {
    super();
    this.#native = new NativeClient(bus, node);
    this.keyPrefix = keyPrefix;
    this.enablePipelining = enablePipelining;
  }

  /** @internal The engine's number of the connection. */
  get number() {
    return this.#native.number;
  }

  /** Where the connection is in its life, in ioredis' words. */
  get status() {
    return this.#native.status;
  }

  /** @internal Opens the connection, unless it is lazy. */
  open() {
    reports.clients.set(this.#native.number, this);
    this.#native.open();
  }

  /** Sends any command. */
  async call(command, ...args) {
    const [[error, result]] = await this.pipeline([[command, ...args]]).exec();
    if (error) throw error;
    return result;
  }

  /** Several commands in one write; `exec()` resolves with `[error, result]` for each. */
  pipeline(commands = []) {
    const packed = commands.map((words) => words.flat().map(toWord));
    return { exec: () => this.#execute(packed) };
  }

  /** Says goodbye and closes. */
  quit() {
    batch.flush();
    const request = new requests.Request('OK');
    this.#native.quit(requests.add(request));
    return request.promise;
  }

  /** Closes at once. */
  disconnect() {
    this.#native.disconnect();
  }

  /** @internal The bus was stopped: nothing is reported to it any more. */
  forgotten() {
    reports.clients.delete(this.#native.number);
  }

  /** @internal The connection changed its state; events are named as ioredis names them. */
  changed(state, error) {
    try {
      if (error) this.emit('error', error);
      this.emit(state);
    } catch {
      // A listener of the user's; the connection has nobody to report it to.
    }
  }

  #execute(commands) {
    if (commands.length === 0) return Promise.resolve([]);
    const request = new CallRequest(commands);
    const number = requests.add(request);
    commands.forEach((words, index) => {
      batch.begin(Operation.Call);
      batch.number(this.#native.number);
      batch.number(number);
      batch.number(index);
      batch.number(index === commands.length - 1 ? 1 : 0);
      batch.number(firstKey(words));
      batch.number(words.length);
      for (const word of words) batch.word(word);
    });
    batch.end();
    return request.promise;
  }
}

class CallRequest extends requests.Request {
  #wantsBytes;
  #names;

  constructor(commands) {
    super([]);
    this.#names = commands.map(([name]) => String(name).toUpperCase());
    this.#wantsBytes = commands.map(() => false);
  }

  called(index, error, value) {
    if (error) error.command = this.#names[index];
    this.result[index] = [error, this.#wantsBytes[index] ? value : toText(value)];
  }
}

function toWord(value) {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return String(value ?? '');
}

/** Bytes as text, as ioredis has it unless a method's name ends in Buffer. */
function toText(value) {
  if (Buffer.isBuffer(value)) return value.toString();
  return Array.isArray(value) ? value.map(toText) : value;
}

module.exports = { RedisClient, SharedClient };
