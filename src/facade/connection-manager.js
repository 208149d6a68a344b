'use strict';

const { NativeBus, openLinks } = require('../../native.js');
const batch = require('./command-batch.js');
const checks = require('./checks.js');
const { connectionOptions } = require('./connection-options.js');
const keepAlive = require('./keep-alive.js');
const { RedisClient, SharedClient } = require('./redis-client.js');
const reports = require('./reports.js');
const requests = require('./requests.js');

/** Managers in use: an open connection keeps its manager, as a socket of Node's own keeps what listens to it. */
const inUse = new Set();

/** Takes what is left of a manager that was collected. */
const collected = new FinalizationRegistry((number) => reports.buses.delete(number));

/** The connections of a bus, opened when first used. */
class ConnectionManager {
  #native;
  #shared;
  #keyPrefix;
  #enablePipelining;
  #retryStrategy;
  #reconnectOnError;
  #clients = new Map();
  /** Producers and consumers that something can be reported to. */
  #members = new Set();

  /** A bus on one Redis: options as ioredis 4 has them, or a URL. */
  static standalone(standalone) {
    return new ConnectionManager({ standalone: standalone ?? {} });
  }

  /** A bus on a Redis Cluster. */
  // biome-ignore lint/correctness/noUnusedFunctionParameters: the number of parameters is part of the interface
  static cluster(startupNodes, cluster) {
    throw notYet('cluster');
  }

  /** A bus on several Redis, partitioned by this client. */
  // biome-ignore lint/correctness/noUnusedFunctionParameters: the number of parameters is part of the interface
  static nodes(nodes) {
    throw notYet('nodes');
  }

  constructor(options) {
    const { standalone, cluster, startupNodes, nodes } = checks.object('options', options);
    if (cluster ?? startupNodes) throw notYet('cluster');
    if (nodes) throw notYet('nodes');
    if (standalone === undefined) throw new TypeError('one of standalone, cluster and nodes must be given');
    const given = typeof standalone === 'string' ? {} : checks.object('standalone', standalone);
    if (given.sentinels) throw notYet('sentinels');
    const native = connectionOptions(standalone);
    this.#native = makeBus(native);
    this.#keyPrefix = native.keyPrefix;
    this.#enablePipelining = given.enablePipelining === undefined ? true : Boolean(given.enablePipelining);
    this.#retryStrategy = given.retryStrategy;
    this.#reconnectOnError = given.reconnectOnError;
    this.#shared = new SharedClient(this.#native, this.#keyPrefix, this.#enablePipelining, this);
    reports.buses.set(this.#native.number, new WeakRef(this));
    collected.register(this, this.#native.number);
  }

  /** A connection of your own, by name: the same name gives the same connection until `stop()`. */
  getClient(key) {
    const name = checks.name('key', key);
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = new RedisClient(this.#native, this.#keyPrefix, this.#enablePipelining);
      this.#clients.set(name, client);
      this.member(client);
      client.open();
      this.used();
    }
    return client;
  }

  /** As `getClient(key)`: with one Redis every route leads there. */
  // biome-ignore lint/correctness/noUnusedFunctionParameters: the number of parameters is part of the interface
  getClientByRoute(key, route) {
    return this.getClient(key);
  }

  /** As `[getClient(key)]`: with one Redis there is one connection of that name. */
  getClients(key) {
    return [this.getClient(key)];
  }

  /** What every key and channel of this bus begins with. */
  getKeyPrefix() {
    return this.#keyPrefix;
  }

  /** Waits for the jobs in flight, for at most `maxWait` ms if given, and closes every connection. */
  async stop(options = {}) {
    const { maxWait, force } = checks.object('options', options);
    const bound = checks.time('maxWait', maxWait) || Infinity;
    batch.flush();
    const request = new requests.Request(undefined);
    this.#native.stop(requests.add(request), Boolean(force), bound === Infinity ? -1 : bound);
    await request.promise;
    this.#native.reopen();
    for (const member of this.#members) member.forgotten();
    this.#members.clear();
    this.#clients.clear();
    inUse.delete(this);
  }

  /** @internal The engine's bus. */
  nativeBus() {
    return this.#native;
  }

  /** @internal The connection that everything which does not wait goes through. */
  sharedClient() {
    inUse.add(this);
    return this.#shared;
  }

  /** @internal Something can be reported to a producer, consumer or client, until `stop()`. */
  member(member) {
    this.#members.add(member);
  }

  /** @internal A connection may have been opened. */
  used() {
    inUse.add(this);
    keepAlive.links(openLinks());
  }

  /** @internal How long to wait before the next attempt to connect? */
  askRetry(question, attempt) {
    let delay = null;
    try {
      delay = typeof this.#retryStrategy === 'function' ? this.#retryStrategy(attempt) : null;
    } catch {
      // As if it had given up: there is nothing better to go by.
    }
    const isDelay = typeof delay === 'number' && delay >= 0;
    this.#native.answerRetry(question, isDelay ? delay : -1);
  }

  /** @internal What does this error mean for the connection? */
  askReconnect(question, error) {
    let verdict = false;
    try {
      verdict = this.#reconnectOnError(error);
    } catch {
      // As if it had not been asked: the error goes to who sent the command.
    }
    this.#native.answerReconnect(question, verdict === 2 ? 2 : verdict ? 1 : 0);
  }
}

/** The engine says what is wrong with a URL, but not which option it came from. */
function makeBus(options) {
  try {
    return new NativeBus(options);
  } catch (error) {
    throw new TypeError(`url cannot be used: ${error.message}`);
  }
}

function notYet(what) {
  return new Error(`ConnectionManager: ${what} is not supported by this version yet, only standalone is`);
}

module.exports = { ConnectionManager };
