'use strict';

const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const GROUP = 'group';
/** Maximum time of one wait, in ms. */
const LIMIT = 20000;

/** A producer and consumers on one bus, each with a connection of its own. */
class Pair {
  #bus;
  #stream;
  #subject;
  #closing = [];
  /** Errors of all producers and consumers. */
  errors = [];
  /** Inputs by the name of the consumer's group, as pairs of a job's id and its value. */
  seen = {};

  constructor(bus, stream, subject) {
    this.#bus = bus;
    this.#stream = stream;
    this.#subject = subject;
    const { Producer } = require(subject.file);
    const connection = this.#open(subject);
    this.producer = new Producer(connection);
    this.producer.on('error', (error) => this.errors.push(error));
    this.#closing.push(() => connection.stop());
  }

  /** Plays a consumer of a package. Its program removes its input before it works. */
  async play(subject, { group = GROUP, fromId } = {}) {
    const { Consumer } = require(subject.file);
    const connection = this.#open(subject);
    const routed = this.#bus.routed(require(subject.file));
    const consumer = new Consumer(connection, { group, concurrency: 20, blockTimeout: 50, ...routed });
    const seen = [];
    this.seen[group] = seen;
    const processor = async (job) => {
      const { inbound } = await job.get('inbound', false).del('inbound').pull();
      seen.push([job.id, inbound]);
      await job.set('outbound', `${inbound} world!`).push();
    };
    consumer.process({ stream: this.#stream, processor, ...(fromId && { fromId }) });
    consumer.on('error', (error) => this.errors.push(error));
    this.#closing.push(async () => {
      await consumer.pause();
      await connection.stop();
    });
    await consumer.play();
    // 2.2.0 hears completions only after this.
    await this.producer.listen();
  }

  /** Sends jobs whose input is their own id. `isPushed` is false for the program with two trips. */
  send(ids, options = {}, { isPushed = true } = {}) {
    const routed = this.#bus.routed(require(this.#subject.file));
    const sending = ids.map(async (id) => {
      const job = this.producer.job(id).set('inbound', id);
      if (isPushed) await job.push();
      await this.producer.send({ stream: this.#stream, job, waitFor: [GROUP], ...routed, ...options });
      return job;
    });
    return Promise.all(sending);
  }

  /** Waits for jobs and reads their outputs. @returns pairs of an outcome and the output, by id */
  async outcomes(jobs) {
    const finishing = jobs.map(async (job) => {
      const { [GROUP]: outcome } = await job.finished(LIMIT);
      const { outbound } = await job.get('outbound', false).del('outbound').pull();
      return [outcome instanceof Date ? 'Date' : outcome, outbound];
    });
    return Promise.all(finishing);
  }

  /** Resolves when every entry is acknowledged by a group. */
  async settled(group = GROUP) {
    const key = keys.stream(this.#stream);
    const pending = async (server) => {
      const reply = await server.call('XPENDING', key, keys.group(group)).catch((error) => error);
      // Another node of the bus has the stream.
      return reply instanceof Error ? 0 : reply[0];
    };
    const isOver = async () => (await Promise.all(this.#bus.servers.map(pending))).every((count) => count === 0);
    await until(isOver, { timeout: LIMIT, what: 'every job to be acknowledged' });
  }

  /** Closes everything. */
  async close() {
    for (const close of this.#closing.reverse()) await close();
  }

  #open(subject) {
    return this.#bus.open(require(subject.file));
  }
}

module.exports = { GROUP, LIMIT, Pair };
