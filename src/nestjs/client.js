'use strict';

const { ClientProxy } = require('@nestjs/microservices');
const { Producer } = require('../facade/api/producer.js');
const checks = require('../facade/options/validate.js');
const { DISTRIBUTED_ROUTING } = require('../facade/support/constants.js');
const { BusConnection, MAX_WAIT } = require('./bus-connection.js');
const { NO_HANDLER, REQUEST, RESPONSE, completionError } = require('./packets.js');

/** Default of the maximum time of a request, in ms. */
const TIMEOUT = 30_000;
/** Default time for which Redis keeps the outcome of a request, in ms, so that a lost completion is found. */
const OUTCOME_TTL = 60_000;

/** Client that sends requests to a group, and events to every group. */
class HfxbusClient extends ClientProxy {
  #connection;
  #options;
  #producer = null;
  #connecting = null;
  /** Streams that have the group. */
  #handled = new Set();

  constructor(options) {
    super();
    const { group, connection, send, timeout, maxWait } = checks.object('options', options);
    this.#options = {
      group: checks.string('group', group),
      // With nodes() every group reads all nodes, so that a message reaches each of them.
      send: {
        durable: { ttl: OUTCOME_TTL },
        payload: 'entry',
        route: DISTRIBUTED_ROUTING,
        ...checks.object('send', send),
      },
      timeout: checks.time('timeout', timeout, TIMEOUT),
      maxWait: checks.time('maxWait', maxWait, MAX_WAIT),
    };
    this.#connection = new BusConnection(connection);
    this.initializeSerializer(options);
    this.initializeDeserializer(options);
  }

  /** Resolves when Redis has answered. Nest calls it before each message. */
  connect() {
    this.#connecting ??= this.#open().catch((error) => {
      this.#connecting = null;
      throw error;
    });
    return this.#connecting;
  }

  /** Ends all requests, and the connection if it was made by options. */
  async close() {
    const producer = this.#producer;
    this.#producer = null;
    this.#connecting = null;
    this.#handled.clear();
    await producer?.close();
    await this.#connection.stop(this.#options.maxWait);
    this._status$?.next('disconnected');
  }

  /** Adds a listener for an event of the connection. */
  on(event, listener) {
    this.#connection.manager.on(event, listener);
  }

  /** Returns the producer. */
  unwrap() {
    if (this.#producer === null) throw new Error('The client is not connected: call connect() first');
    return this.#producer;
  }

  /** @internal Returns the connection, for the health indicator. */
  busConnection() {
    return this.#connection;
  }

  /** @internal Called by Nest for a request. @returns a function that ends it */
  publish(packet, callback) {
    const abort = new AbortController();
    this.#request(packet, callback, abort.signal).catch((err) => callback({ err, isDisposed: true }));
    return () => abort.abort();
  }

  /** @internal Called by Nest for an event. */
  async dispatchEvent({ pattern, data }) {
    const job = this.#producer.job();
    job.set(REQUEST, await this.serializer.serialize({ pattern, data }));
    const { durable, ...send } = this.#options.send;
    return await this.#producer.send({ ...send, stream: this.normalizePattern(pattern), job });
  }

  async #open() {
    await this.#connection.ping();
    this.#producer = new Producer(this.#connection.manager);
    this._status$?.next('connected');
  }

  async #request({ pattern, data }, callback, signal) {
    const { group, send, timeout } = this.#options;
    if (group === undefined) throw new TypeError('send() needs the option group, which names the service that replies');
    const stream = this.normalizePattern(pattern);
    const producer = this.#producer;
    if (!(await this.#isHandled(stream, send.route))) {
      callback({ err: NO_HANDLER, isDisposed: true });
      return;
    }
    const job = producer.job();
    job.set(REQUEST, await this.serializer.serialize({ pattern, data, id: job.id }));
    signal.throwIfAborted();
    await producer.send({ ...send, stream, job, waitFor: [group], returns: [RESPONSE] });
    const { [group]: outcome } = await job.finished({ timeout, signal });
    if (!(outcome instanceof Date)) {
      callback({ err: completionError(outcome), isDisposed: true });
      return;
    }
    const { [RESPONSE]: packets } = await job.get(RESPONSE, false).pull({ signal });
    await this.#deliver(packets, callback);
  }

  /** Passes the packets of a reply to Nest. A consumer without Nest can reply with one value. */
  async #deliver(given, callback) {
    const packets = Array.isArray(given) ? given : [given];
    for (const packet of packets) {
      const { err, response, isDisposed } = await this.deserializer.deserialize(packet);
      callback({ err, response, isDisposed: isDisposed || err !== undefined });
    }
  }

  /** Resolves with true if the stream has the group: another group never replies. */
  async #isHandled(stream, route) {
    if (this.#handled.has(stream)) return true;
    const groups = await this.#connection.groupsOf(stream, route);
    const name = `${this.#connection.manager.getKeyPrefix()}:csr:${this.#options.group}`;
    if (groups !== null && !groups.includes(name)) return false;
    this.#handled.add(stream);
    return true;
  }
}

module.exports = { HfxbusClient };
