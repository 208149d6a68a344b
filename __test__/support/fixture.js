'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { Child } = require('./child.js');
const { FakeRedis } = require('./fake-redis.js');
const { keys } = require('./keys.js');
const { Monitor } = require('./monitor.js');
const { RawClient } = require('./raw-client.js');
const { RedisCluster } = require('./redis-cluster.js');
const { RedisServer } = require('./redis-server.js');
const { nodeOf } = require('./routes.js');

/** The server of this file, started when the first case needs it. */
let fileServer = null;
/** The Clusters of this file, by what they have; for cases that leave them as they were. */
const fileClusters = new Map();
/** The same for its servers that are a bus together. */
let fileNodes = null;
let names = 0;

/** Fixture of a case: a subject, a Redis and unique names. It closes everything that it opened. */
class Scene {
  #connections = [];
  #consumers = [];
  #closing = [];
  #connection = null;
  #isClosed = false;

  static async open(subject) {
    fileServer ??= RedisServer.start();
    return new Scene(subject, await fileServer);
  }

  constructor(subject, redis) {
    this.subject = subject;
    /** Shared by the cases of a file, which run one after the other. */
    this.redis = redis;
    this.hfxbus = require(subject.file);
    this.stream = this.name('stream');
    this.group = this.name('group');
  }

  get isOriginal() {
    return this.subject.env === 'original';
  }

  /** Returns an unused name. */
  name(kind) {
    return `${kind}-${names++}`;
  }

  /** Returns an unused name that leads to a node. */
  nameOn(node, kind, nodes = 3) {
    for (;;) {
      const name = this.name(kind);
      if (nodeOf(name, nodes) === node) return name;
    }
  }

  /** A new ConnectionManager on the file's server. */
  connect(options) {
    const given = { ...this.redis.options, ...options };
    if (this.isOriginal && given.retryStrategy) given.retryStrategy = this.#untilClosed(given.retryStrategy);
    return this.adopt(this.hfxbus.ConnectionManager.standalone(given));
  }

  /** 2.2.0 does not stop a connection that it is making again, which would keep the process alive. */
  #untilClosed(retryStrategy) {
    return (times) => (this.#isClosed ? null : retryStrategy(times));
  }

  /** The file's three servers that are a bus together. */
  nodes() {
    fileNodes ??= startNodes(RedisServer.start);
    return fileNodes;
  }

  /** The same of this case's own, for what others must not notice. */
  ownNodes() {
    return startNodes(() => this.server());
  }

  /** A new ConnectionManager on some servers, each with options of its own. */
  partition(servers, { each = [], ...options } = {}) {
    const nodes = servers.map((server, at) => ({ ...server.options, ...each[at] }));
    return this.adopt(this.hfxbus.ConnectionManager.nodes({ nodes, ...options }));
  }

  /** Has a ConnectionManager stopped in the end. */
  adopt(connection) {
    this.#connections.push(connection);
    return connection;
  }

  /** The ConnectionManager of cases that need but one. */
  get connection() {
    this.#connection ??= this.connect();
    return this.#connection;
  }

  producer(connection = this.connection) {
    return new this.hfxbus.Producer(connection);
  }

  consumer(options, connection = this.connection) {
    const consumer = new this.hfxbus.Consumer(connection, { group: this.group, ...options });
    this.#consumers.push(consumer);
    return consumer;
  }

  /** A consumer that plays: of this case's stream and group, unless said otherwise. */
  async play(processor, { connection, stream = this.stream, readFrom, fromId, deadline, setId, ...options } = {}) {
    const consumer = this.consumer(options, connection);
    const given = Object.entries({ readFrom, fromId, deadline, setId }).filter(([, value]) => value !== undefined);
    consumer.process({ stream, processor, ...Object.fromEntries(given) });
    await consumer.play();
    return consumer;
  }

  /** A consumer of 2.2.0 that plays, of this case's stream and group unless said otherwise. It ends with the case. */
  async playOriginal(processor, { group = this.group } = {}) {
    const original = require('hfxbus-original');
    const connection = original.ConnectionManager.standalone(this.redis.options);
    this.closing(() => connection.stop({ force: true }));
    const consumer = new original.Consumer(connection, { group });
    consumer.process({ stream: this.stream, processor });
    await consumer.play();
    return consumer;
  }

  /** Adds an entry as a producer would. @returns the entry's id */
  add(job, { stream = this.stream, producer = 'nobody', redis = this.redis } = {}) {
    return redis.call('XADD', keys.stream(stream), '*', 'prd', producer, 'job', job);
  }

  /** Publishes a completion as a consumer would. @returns the number of receivers */
  complete(job, producer, { stream = this.stream, group = this.group, redis = this.redis, ...rest } = {}) {
    const message = JSON.stringify({ str: stream, grp: group, job, ...rest });
    return redis.call('PUBLISH', keys.channel(stream, producer), message);
  }

  /** Returns the number of pending entries of a group in a stream. */
  async pending({ stream = this.stream, group = this.group, redis = this.redis } = {}) {
    const [count] = await redis.call('XPENDING', keys.stream(stream), keys.group(group));
    return count;
  }

  length(stream = this.stream, redis = this.redis) {
    return redis.call('XLEN', keys.stream(stream));
  }

  /** Listens on a channel, or on a pattern, as a client that has nothing to do with a bus. */
  async hear(channel, redis = this.redis) {
    const heard = [];
    const client = new RawClient(redis.port, (push) => heard.push({ channel: push.at(-2), message: push.at(-1) }));
    this.#closing.push(() => client.close());
    await client.call('PSUBSCRIBE', channel);
    return heard;
  }

  /** Records what a server executes from now on. */
  async monitor(redis = this.redis) {
    const monitor = await Monitor.on(redis);
    this.#closing.push(() => monitor.close());
    return monitor;
  }

  /** A server of this case's own, for what others must not notice. */
  async server(...args) {
    const server = await RedisServer.start(...args);
    this.#closing.push(() => server.kill());
    return server;
  }

  /** A server that answers as the case says, see `FakeRedis`. */
  async fake(answer) {
    const server = await FakeRedis.start(answer);
    this.#closing.push(() => server.close());
    return server;
  }

  /** The Cluster of this file: three primaries, with a replica each if asked for. */
  cluster({ replicas = false } = {}) {
    if (!fileClusters.has(replicas)) fileClusters.set(replicas, RedisCluster.start({ replicas }));
    return fileClusters.get(replicas);
  }

  /** A Cluster of this case's own, for what others must not notice. */
  async ownCluster(options) {
    const cluster = await RedisCluster.start(options);
    this.#closing.push(() => cluster.kill());
    return cluster;
  }

  /** A new ConnectionManager on a Cluster. */
  connectCluster(cluster, options) {
    return this.adopt(this.hfxbus.ConnectionManager.cluster(cluster.startupNodes, options));
  }

  /** Runs a function in a process of its own, see `Child`. */
  child(run, { options = this.redis.options, ...rest } = {}) {
    const child = new Child(this.subject, run, { options, ...rest });
    this.#closing.push(() => child.kill());
    return child;
  }

  /** Has something called in the end. */
  closing(close) {
    this.#closing.push(close);
  }

  /** The errors that an emitter emits from now on. */
  errors(emitter) {
    const errors = [];
    emitter.on('error', (...args) => errors.push(args[0]));
    return errors;
  }

  async close() {
    this.#isClosed = true;
    // 2.2.0 reads on after a forced stop, on a connection that is open again, unless it is paused.
    if (this.isOriginal) await Promise.all(this.#consumers.map((consumer) => atMost(500, consumer.pause(400))));
    await Promise.all(this.#connections.map((connection) => atMost(3000, connection.stop({ force: true }))));
    for (const close of this.#closing.reverse()) close();
  }
}

function startNodes(start) {
  return Promise.all(Array.from({ length: 3 }, () => start()));
}

/** Limits a close in time; a process that does not end reveals a leak. */
function atMost(ms, promise) {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).catch(() => {});
  return Promise.race([promise.catch(() => {}), late]).finally(() => timer.abort());
}

module.exports = { Scene };
