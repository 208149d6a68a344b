'use strict';

const EventEmitter = require('eventemitter3');
const { NativeBus } = require('../bridge/native.js');
const packetWriter = require('../bridge/packet-writer.js');
const checks = require('../options/validate.js');
const processRef = require('../bridge/process-ref.js');
const diagnostics = require('../support/diagnostics.js');
const { disposable } = require('../support/dispose.js');
const { IdStock, newId } = require('../bridge/job-ids.js');
const { historyOptions } = require('./history/history-options.js');
const { HistoryReader } = require('./history/history-reader.js');
const { NodeCallbacks } = require('./node-callbacks.js');
const { PartitionCounts } = require('./partitioning/partition-counts.js');
const { RedisClient } = require('../redis/redis-client.js');
const packetReader = require('../bridge/packet-reader.js');
const requests = require('../bridge/pending-requests.js');
const { ResultChannels } = require('./results/result-channels.js');
const { SharedClient } = require('./shared-client.js');
const { safeEmit } = require('../support/safe-emit.js');
const { now } = require('../support/timers.js');
const topology = require('../options/bus-options.js');
const waits = require('../bridge/wait-registry.js');

/** Default of `socketTimeout`, in ms. */
const SOCKET_TIMEOUT = 30_000;

/** Managers with open connections. An open connection keeps its manager alive, as a socket of Node keeps its listeners. */
const inUse = new Set();

/** Options of each manager, for further connections to the same servers. No property holds them, since they have passwords. */
const given = new WeakMap();

/** Removes the callbacks of a collected manager. */
const collected = new FinalizationRegistry((numbers) => {
  for (const number of numbers) packetReader.nodes.delete(number);
});

/** Connections of a bus, opened on first use. */
class ConnectionManager extends EventEmitter {
  #native;
  #shared;
  #keyPrefix;
  #enablePipelining;
  #isPartitioned;
  #hasOneServer;
  /** True if acknowledged entries are removed, and the maximum backlog of a stream. */
  #retention;
  #queueLimit = null;
  #partitionCounts = null;
  #resultChannels = null;
  /** For each node, true if its clients return integers as strings. */
  #stringNumbers;
  /** Least `commandTimeout` and `socketTimeout` of the nodes, in ms; Infinity without one. */
  #patience;
  /** Ids that lead to nodes in the ring, if nodes can leave it. */
  #ids = null;
  /** Strong references to callbacks, to which the packet reader has weak ones. */
  #callbacks;
  #clients = new Map();
  /** Clients, producers and consumers that receive reports. */
  #members = new Set();

  /** Creates a bus on one Redis, from options of ioredis 4 or a URL. */
  static standalone(standalone) {
    return new ConnectionManager({ standalone: standalone ?? {} });
  }

  /** Creates a bus on a Redis Cluster, from some of its nodes and options of ioredis 4. */
  static cluster(startupNodes, cluster) {
    return new ConnectionManager({ startupNodes: startupNodes ?? [], cluster: cluster ?? {} });
  }

  /** Creates a bus on several Redis, partitioned by this client. */
  static nodes(nodes) {
    return new ConnectionManager({ nodes: nodes ?? {} });
  }

  constructor(options) {
    super();
    // Fields of the emitter must not be printed: they refer back to the manager.
    for (const name of ['_events', '_eventsCount']) Object.defineProperty(this, name, { enumerable: false });
    const { standalone, cluster, startupNodes, nodes } = checks.object('options', options);
    const plan = topologyOf({ standalone, cluster, startupNodes, nodes });
    given.set(this, { standalone, cluster, startupNodes, nodes });
    const { keyPrefix, eject, retainFor } = plan;
    this.#native = makeBus({ keyPrefix, eject, retainFor, nodes: plan.nodes.map(({ native }) => native) });
    if (eject) this.#ids = new IdStock((count) => this.#native.makeIds(count));
    this.#keyPrefix = keyPrefix;
    this.#enablePipelining = plan.enablePipelining;
    this.#isPartitioned = plan.isPartitioned;
    this.#hasOneServer = plan.hasOneServer;
    this.#retention = { isOn: retainFor !== undefined, backlogLimit: plan.backlogLimit };
    this.#stringNumbers = plan.nodes.map(({ given }) => Boolean(given.stringNumbers));
    this.#patience = patienceOf(plan.nodes.map(({ native }) => native));
    this.#shared = new SharedClient(this.#native, this.#keyPrefix, this.#enablePipelining, this);
    this.#callbacks = plan.nodes.map(
      ({ given }, index) =>
        new NodeCallbacks(this.#native, given, {
          ringChanged: (isOut, about) => this.#ringChanged(isOut, { ...about, index }),
          linkChanged: (state, about) => this.#linkChanged(state, { ...about, index }),
        }),
    );
    const numbers = this.#callbacks.map((_, index) => this.#native.number + index);
    for (const [index, number] of numbers.entries()) {
      packetReader.nodes.set(number, new WeakRef(this.#callbacks[index]));
    }
    collected.register(this, numbers);
  }

  /** Returns a private connection by name. The same name returns the same connection until `stop()`. */
  getClient(key) {
    if (this.#isPartitioned) {
      throw new TypeError('getClient() cannot tell which node: use getClientByRoute() or getClients()');
    }
    return this.#client(key, 0);
  }

  /** Returns a private connection to the node that `route` leads to. */
  getClientByRoute(key, route) {
    return this.#client(key, this.#isPartitioned ? this.#native.route(checks.name('route', route)) : 0);
  }

  /** Returns a private connection to every node. */
  getClients(key) {
    return this.#callbacks.map((_, node) => this.#client(key, node));
  }

  /** Returns the entries of a stream as an asynchronous iterable, beside all groups. It opens a connection when it is read. */
  history(options) {
    return new HistoryReader(this, historyOptions(options), this.#patience).entries();
  }

  /** Returns the prefix of every key and channel of this bus. */
  getKeyPrefix() {
    return this.#keyPrefix;
  }

  #client(key, node) {
    const name = `${node}:${checks.name('key', key)}`;
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = new RedisClient(this.#native, node, {
        keyPrefix: this.#keyPrefix,
        enablePipelining: this.#enablePipelining,
        stringNumbers: this.#stringNumbers[node],
        ended: (ended) => this.#forget(name, ended),
        changed: (state, error) => this.#publish(state, { index: node, client: key, ...(error && { error }) }),
      });
      this.#clients.set(name, client);
      this.member(client);
      client.open();
      this.used();
    }
    return client;
  }

  /** Removes a connection that has ended, so that its name can be used again. */
  #forget(name, client) {
    if (this.#clients.get(name) === client) this.#clients.delete(name);
    this.#members.delete(client);
    client.detach();
  }

  /** Waits for the jobs in flight, at most `maxWait` ms if given, and closes every connection. */
  async stop(options = {}) {
    const { maxWait, force } = checks.object('options', options);
    const bound = checks.time('maxWait', maxWait) || Infinity;
    // A forced stop leaves the jobs of a batch that waits to other consumers.
    if (!force) for (const member of this.#members) member.onStopping?.();
    const until = now() + (force ? 0 : bound);
    for (const member of this.#members) member.endStartsAt?.(until);
    packetWriter.flush();
    const request = new requests.Request(undefined);
    this.#native.stop(requests.add(request), Boolean(force), bound === Infinity ? -1 : bound);
    await request.promise;
    this.#native.reopen();
    for (const member of this.#members) member.detach();
    this.#members.clear();
    this.#clients.clear();
    inUse.delete(this);
    waits.endSweeping();
    this.#publish('end', {});
  }

  /** @internal Returns the history of one node, by its index. */
  historyOf(node, options) {
    return new HistoryReader(this, { ...historyOptions(options), node }, this.#patience).entries();
  }

  /** @internal Returns a private connection to a node, by its index. */
  clientOf(key, node) {
    return this.#client(key, node);
  }

  /** @internal Returns a random id for a job. */
  newId() {
    return this.#ids === null ? newId() : this.#ids.next();
  }

  /** @internal Returns the engine's bus. */
  nativeBus() {
    return this.#native;
  }

  /** @internal Returns true if all keys are on one server, so that one transaction can change them. */
  get hasOneServer() {
    return this.#hasOneServer;
  }

  /** @internal Returns true if acknowledged entries are removed, and the maximum backlog of a stream; 0 for no limit. */
  get retention() {
    return this.#retention;
  }

  /** @internal Returns the number of commands, and of their bytes, that can wait for each node. */
  get queueLimit() {
    this.#queueLimit ??= this.#native.queueLimit();
    return this.#queueLimit;
  }

  /** @internal Returns true if the bus has several nodes, so that routes have an effect. */
  get isPartitioned() {
    return this.#isPartitioned;
  }

  /** @internal Returns the counts of the partitions of streams. */
  get partitionCounts() {
    this.#partitionCounts ??= new PartitionCounts(this.#native);
    return this.#partitionCounts;
  }

  /** @internal Returns the number of nodes. */
  get nodeCount() {
    return this.#callbacks.length;
  }

  /** @internal Returns the channels of results. */
  get resultChannels() {
    this.#resultChannels ??= new ResultChannels(this);
    return this.#resultChannels;
  }

  /** @internal Returns the shared connection, for all commands that do not block. */
  sharedClient() {
    inUse.add(this);
    return this.#shared;
  }

  /** @internal Registers a producer, consumer or client for reports, until `stop()`. */
  member(member) {
    this.#members.add(member);
  }

  /** @internal Updates the number of open connections, after a call that can open one. */
  used() {
    inUse.add(this);
    processRef.setOpenLinks(packetReader.engine.openLinks());
  }

  #linkChanged(state, about) {
    this.#publish(state, about);
    safeEmit(this, state, about);
  }

  #ringChanged(isOut, about) {
    this.#ids?.clear();
    const state = isOut ? 'eject' : 'readmit';
    const { index, path, host, port, error } = about;
    this.#publish(state, { index, node: path ?? `${host}:${port}`, error });
    safeEmit(this, state, about);
  }

  /** Publishes a state change of a connection. */
  #publish(state, about) {
    diagnostics.publish('connection', () => ({ manager: this, state, ...about }));
  }
}

function topologyOf({ standalone, cluster, startupNodes, nodes }) {
  // An empty text, for example from an environment variable, means the default.
  if (standalone || standalone === '') return topology.standalone(standalone);
  if (cluster ?? startupNodes) return topology.cluster(startupNodes, cluster);
  if (nodes) return topology.nodes(nodes);
  throw new TypeError('one of standalone, cluster and nodes must be given');
}

/** Returns the least times of the connections to all nodes, in ms. A negative time is no limit. */
function patienceOf(nodes) {
  const least = (name, fallback) => {
    return Math.min(...nodes.map(({ [name]: ms = fallback }) => (ms < 0 ? Infinity : ms)));
  };
  const hasQueue = nodes.every(({ enableOfflineQueue = true }) => enableOfflineQueue);
  const [commandTimeout, socketTimeout] = [least('commandTimeout', Infinity), least('socketTimeout', SOCKET_TIMEOUT)];
  return { commandTimeout, socketTimeout, hasQueue };
}

/** Creates the engine's bus. The engine validates certificates and keys. */
function makeBus(options) {
  try {
    return new NativeBus(packetReader.engine, options);
  } catch (error) {
    throw new TypeError(error.message);
  }
}

disposable(ConnectionManager, 'stop');

/** Returns the options that a manager was created with; `undefined` for anything else. */
function optionsOf(manager) {
  return given.get(manager);
}

module.exports = { ConnectionManager, optionsOf };
