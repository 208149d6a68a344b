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

/** Private connection of the user. After its end the manager creates a new one for its name. */
class RedisClient extends EventEmitter {
  #native;
  #stringNumbers;
  /** Callback for the end of the connection. */
  #ended;
  /** Callback for each new state. */
  #changed;

  /** @internal Created by `ConnectionManager.getClient()`. */
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

  /** @internal Returns the number of the connection in the engine. */
  get number() {
    return this.#native.number;
  }

  /** Returns the state of the connection, as named by ioredis. */
  get status() {
    return this.#native.status;
  }

  /** @internal Opens the connection, unless it is lazy. */
  open() {
    packetReader.clients.set(this.#native.number, this);
    this.#native.open();
  }

  /** Returns a pipeline, whose commands are sent in one write. */
  pipeline(commands) {
    return new RedisPipeline((collected) => this.#send(new CallRequest(collected, this.#stringNumbers)), commands);
  }

  /** Returns a pipeline that is a transaction. With `{ pipeline: false }` only MULTI is sent. */
  multi(commands, options = Array.isArray(commands) ? undefined : commands) {
    if (options?.pipeline === false) return this.#call('multi', [], false);
    const list = Array.isArray(commands) ? commands : undefined;
    return new RedisPipeline((collected) => this.#send(new CallRequest(collected, this.#stringNumbers)), list, true);
  }

  /** Executes the transaction of `multi({ pipeline: false })`. */
  async exec() {
    return pairs(await this.#call('exec', [], false));
  }

  /** Sends QUIT and closes the connection. */
  quit() {
    packetWriter.flush();
    const request = new requests.Request('OK');
    this.#native.quit(requests.add(request));
    return request.promise;
  }

  async quitBuffer() {
    return Buffer.from(await this.quit());
  }

  /** Closes the connection at once. */
  disconnect() {
    packetWriter.flush();
    this.#native.disconnect();
  }

  /** @internal Ends all reports. */
  detach() {
    packetReader.clients.delete(this.#native.number);
  }

  /** @internal Emits a new state of the connection. Events have the names of ioredis. */
  onStateChange(state, error) {
    if (state === 'end') this.#ended(this);
    this.#changed(state, error);
    if (error) this.#emit('error', error);
    this.#emit(state);
  }

  /** Emits an event. An exception of a listener becomes `'error'`, unless an `'error'` listener threw it. */
  #emit(event, ...args) {
    try {
      this.emit(event, ...args);
    } catch (thrown) {
      if (event === 'error') return;
      this.#emit(
        'error',
        errorCarrier(thrown, `A listener of '${event}' threw a value that is not an object.`, 'LISTENER_ERROR'),
      );
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
