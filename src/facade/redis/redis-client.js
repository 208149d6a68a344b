'use strict';

const EventEmitter = require('eventemitter3');
const { NativeClient } = require('../bridge/native.js');
const { CallRequest, SingleCall } = require('./call-request.js');
const packetWriter = require('../bridge/packet-writer.js');
const { addCommandMethods } = require('./command-methods.js');
const { errorCarrier } = require('../support/error-carrier.js');
const { RedisCommand } = require('./redis-command.js');
const { RedisPipeline, pairs } = require('./redis-pipeline.js');
const packetReader = require('../bridge/packet-reader.js');
const requests = require('../bridge/pending-requests.js');

/** A connection of the user's own. It has one life: after its end the manager makes another one under its name. */
class RedisClient extends EventEmitter {
  #native;
  #stringNumbers;
  /** Who is to know of its end. */
  #ended;
  /** Who is to know of each of its states. */
  #changed;

  /** @internal Made by `ConnectionManager.getClient()`. */
  constructor(bus, node, { keyPrefix, enablePipelining, stringNumbers, ended, changed }) {
    super();
    this.#native = new NativeClient(bus, node);
    this.#stringNumbers = stringNumbers;
    this.#ended = ended;
    this.#changed = changed;
    this.keyPrefix = keyPrefix;
    this.enablePipelining = enablePipelining;
  }

  static {
    addCommandMethods(RedisClient, (client, ...given) => client.#call(...given));
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
    packetReader.clients.set(this.#native.number, this);
    this.#native.open();
  }

  /** Several commands in one write: as a list, or by the methods of what this returns. */
  pipeline(commands) {
    return new RedisPipeline((collected) => this.#send(new CallRequest(collected, this.#stringNumbers)), commands);
  }

  /** As `pipeline()`, in a transaction. With `{ pipeline: false }` only MULTI is sent. */
  multi(commands, options = Array.isArray(commands) ? undefined : commands) {
    if (options?.pipeline === false) return this.#call('multi', [], false);
    const list = Array.isArray(commands) ? commands : undefined;
    return new RedisPipeline((collected) => this.#send(new CallRequest(collected, this.#stringNumbers)), list, true);
  }

  /** Ends the transaction that `multi({ pipeline: false })` began. */
  async exec() {
    return pairs(await this.#call('exec', [], false));
  }

  /** Says goodbye and closes. */
  quit() {
    packetWriter.flush();
    const request = new requests.Request('OK');
    this.#native.quit(requests.add(request));
    return request.promise;
  }

  async quitBuffer() {
    return Buffer.from(await this.quit());
  }

  /** Closes at once. */
  disconnect() {
    packetWriter.flush();
    this.#native.disconnect();
  }

  /** @internal Nothing is reported to it any more. */
  detach() {
    packetReader.clients.delete(this.#native.number);
  }

  /** @internal The connection changed its state; events are named as ioredis names them. */
  onStateChange(state, error) {
    if (state === 'end') this.#ended(this);
    this.#changed(state, error);
    if (error) this.#emit('error', error);
    this.#emit(state);
  }

  /** A listener of the user's that throws is heard of by the others, unless it was to hear of errors itself. */
  #emit(event, ...args) {
    try {
      this.emit(event, ...args);
    } catch (thrown) {
      if (event === 'error') return;
      this.#emit('error', errorCarrier(thrown, `A listener of '${event}' threw what is no object.`, 'LISTENER_ERROR'));
    }
  }

  async #call(name, args, asBytes) {
    const command = new RedisCommand(name, args, asBytes);
    const result = await this.#send(new SingleCall([command], this.#stringNumbers));
    if (command.name === 'SELECT') this.#native.selected(Number(command.words[1]));
    return result;
  }

  #send(request) {
    request.send(this.#native.number);
    return request.promise;
  }
}

module.exports = { RedisClient };
