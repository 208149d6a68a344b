'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { Child } = require('../support/child.js');
const { RedisServer } = require('../support/redis-server.js');
const { everySubject } = require('../support/implementations.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');
const { Ledger } = require('./ledger.js');
const { consume } = require('./programs/consumer.js');
const { produce } = require('./programs/producer.js');
const { Random } = require('./random.js');

/** Maximum life of a process, in ms; only a hanging process reaches it. */
const LIFE = 24 * 3600 * 1000;
const STREAM = 'faults';
const GROUP = 'workers';

/** One run of a fault: what it works with, all of which ends with it, and what it found. */
class Trial {
  #closing = [];
  #misses = [];
  #errors = {};
  #events = {};
  #first = 0;
  /** Number of entries in 'trimmed' events. */
  trimmed = 0;
  ledger = new Ledger();
  stream = STREAM;
  group = GROUP;

  /** @param {{ size: number, seed: number, full?: boolean }} given how large, as a factor of the usual size */
  constructor(subject, { size, seed }) {
    this.subject = subject;
    this.size = size;
    this.random = new Random(seed);
  }

  get isOriginal() {
    return this.subject.env === 'original';
  }

  /** The package under test, where another one is the subject. */
  get ours() {
    return everySubject.find(({ env }) => env === 'ours');
  }

  /** The other package, for mixed fleets. */
  get original() {
    return everySubject.find(({ env }) => env === 'original');
  }

  /** As many as that at the usual size, at least `least`. */
  times(usual, least = 1) {
    return Math.max(least, Math.round(usual * this.size));
  }

  async server(...args) {
    const server = await RedisServer.start(...args);
    this.closing(() => server.kill());
    return server;
  }

  async proxy(server) {
    const proxy = await TcpProxy.to(server.port);
    this.closing(() => proxy.close());
    return proxy;
  }

  /** A process that runs jobs of the trial's stream; resolves when it plays. */
  async consumer(server, { subject = this.subject, options, consumer, variables, ...data } = {}) {
    const child = this.child(consume, {
      subject,
      variables,
      options: { ...server.options, ...options },
      data: { stream: this.stream, consumer: { group: this.group, ...consumer }, ...data },
    });
    await child.says('plays', 20000);
    return child;
  }

  /** A process that sends jobs with numbers that no other has. */
  producer(server, { subject = this.subject, options, count, window = 32, ...data }) {
    const first = this.#first;
    this.#first += count;
    const child = this.child(produce, {
      subject,
      options: { ...server.options, ...options },
      data: { stream: this.stream, first, count, window, ...data },
    });
    child.first = first;
    return child;
  }

  /** A process that runs one function, see `Child`. */
  child(run, { subject = this.subject, ...given }) {
    const child = new Child(subject, run, { limit: LIFE, ...given, hear: (values) => this.#hear(child, values) });
    this.closing(() => child.kill());
    return child;
  }

  /** Waits for a condition that the fault needs in order to go on. */
  until(condition, timeout = 30000) {
    return until(condition, { timeout });
  }

  /** Waits for a time that is part of the fault. */
  sleep(least, most = least) {
    return sleep(this.random.between(least, most));
  }

  /** Waits until what was sent is done. What never will be is given up after `quiet` ms without any progress. */
  async drain({ limit = 60000, quiet = 5000 } = {}) {
    const since = performance.now();
    const end = since + limit;
    const isQuiet = () => this.isOriginal && Math.min(this.ledger.quiet, performance.now() - since) > quiet;
    await until(() => this.ledger.isDrained || performance.now() > end || isQuiet(), {
      timeout: limit + 5000,
      what: 'a drained stream',
    });
  }

  /** Notes a pass mark and whether it is met. */
  mark(text, isMet) {
    if (!isMet) this.#misses.push(text);
  }

  closing(close) {
    this.#closing.push(close);
  }

  /** Returns the number of errors that consumers and producers reported. */
  get errors() {
    return Object.values(this.#errors).reduce((sum, count) => sum + count, 0);
  }

  /** Returns the number of errors about reads, without those about acknowledgements. */
  get complaints() {
    return this.#errors.CONSUME_ERROR ?? 0;
  }

  /** Returns the figures for the table and the file. */
  report({ recovery = null, ...figures } = {}) {
    const { ledger } = this;
    return {
      ...(ledger.sent > 0 && {
        sent: ledger.sent,
        lost: ledger.missing.length,
        duplicates: ledger.duplicates,
        outOfOrder: ledger.disorder,
      }),
      recovery: recovery === null ? null : Math.round(recovery),
      ...(Object.keys(this.#errors).length > 0 && { errors: this.#errors }),
      ...(Object.keys(this.#events).length > 0 && { events: this.#events }),
      ...(ledger.refused > 0 && { refused: ledger.refusals }),
      ...figures,
      misses: this.#misses,
    };
  }

  async close() {
    for (const close of this.#closing.reverse()) await close();
  }

  #hear(child, values) {
    const [word, name] = values;
    if (word === 'error') this.#errors[name] = (this.#errors[name] ?? 0) + 1;
    if (word === 'event') this.#events[name] = (this.#events[name] ?? 0) + 1;
    if (name === 'trimmed') this.trimmed += values[2].count;
    return word === 'event' || word === 'error' || this.ledger.take(child, values);
  }
}

module.exports = { Trial };
