'use strict';

const { randomBytes } = require('node:crypto');
const { Errors } = require('../errors.js');
const { IoredisWorker, completionFrom } = require('./ioredis-worker.js');

/** Number of entries of a backlog that are written at once. */
const AT_ONCE = 1000;

/**
 * The same by hand: streams and Pub/Sub, whatever is known of one tick in one write. It saves trips that a bus does not:
 * payload and entry leave together, and so do answer, acknowledgement and completion. It has claiming and listeners for
 * errors, but no deadlines.
 */
class IoredisProgram {
  #open;
  #commands;
  #payload;
  #readAhead;
  #id = randomBytes(8).toString('hex');
  #jobs = 0;
  #waiting = new Map();

  errors = new Errors();

  /**
   * @param {object} ioredis the package
   * @param {object} options
   * @param {number[]} options.ports of Redis
   * @param {number} [options.payload] how many bytes a request and its answer have
   * @param {number} [options.readAhead] number of entries that are read beyond the free slots
   */
  constructor(ioredis, { ports: [port], payload = 0, readAhead = 0 }) {
    this.#open = (options = {}) => {
      const client = new ioredis.Redis({ host: '127.0.0.1', port, ...options });
      client.on('error', (error) => this.errors.add(error));
      return client;
    };
    this.#commands = this.#open({ enableAutoPipelining: true });
    this.#payload = payload;
    this.#readAhead = readAhead;
  }

  /** Sends one job, with a payload if there is one. */
  async send(payload) {
    const job = this.newJob();
    await Promise.all([payload && this.#commands.set(`in:${job}`, payload), this.add('bench', job)]);
  }

  /** Ready to make requests. */
  async listen() {
    const subscriber = this.#open();
    subscriber.on('message', (_, message) => {
      const { job, answer } = completionFrom(message);
      this.#waiting.get(job)?.(answer);
      this.#waiting.delete(job);
    });
    await subscriber.subscribe(`done:bench:${this.#id}`);
  }

  /** A round trip: payload, entry, completion, answer. */
  async request() {
    const job = this.newJob();
    const inbound = this.#payload ? Buffer.alloc(this.#payload, 'x') : 'Hello ';
    await Promise.all([this.#commands.set(`in:${job}`, inbound), this.add('bench', job), this.completion(job)]);
    const outbound = await this.#take(`out:${job}`);
    const isRight = this.#payload ? outbound?.length === this.#payload : outbound === 'Hello world!';
    if (!isRight) throw new Error('wrong answer');
  }

  /** Resolves with the answer in the completion of a job, if there is one. */
  completion(job) {
    return new Promise((resolve) => this.#waiting.set(job, resolve));
  }

  /** Answers requests. */
  async serve(concurrency) {
    await this.work('bench', concurrency, async (job) => {
      const inbound = await this.#take(`in:${job}`);
      const outbound = this.#payload ? inbound : `${inbound}world!`;
      // It is there before the completion is, which leaves in the same write.
      this.#commands.set(`out:${job}`, outbound).catch((error) => this.errors.add(error));
    });
  }

  /** Calls back for everybody's completions on a stream. */
  async hear(stream, onCompletion) {
    const subscriber = this.#open();
    subscriber.on('pmessage', onCompletion);
    await subscriber.psubscribe(`done:${stream}:*`);
  }

  /** Returns channel and message of a completion. */
  completionOf(stream) {
    return { channel: `done:${stream}:bench`, message: '0123456789abcdef' };
  }

  /** Sends jobs without payload at once. */
  async sendAll(stream, count) {
    await Promise.all(Array.from({ length: count }, () => this.add(stream, this.newJob())));
  }

  /** Writes a backlog. */
  async fill(stream, jobs) {
    for (let done = 0; done < jobs; done += AT_ONCE) await this.sendAll(stream, Math.min(AT_ONCE, jobs - done));
  }

  /** Runs a backlog until `isOver` returns true, called after each job. Resolves when Redis has all settlements. */
  async drain(stream, concurrency, onJob, isOver) {
    const worker = await this.work(stream, concurrency, async () => onJob());
    await isOver;
    await worker.stop();
  }

  /** A new id. */
  newJob() {
    return `${this.#id}${(this.#jobs++).toString(36)}`;
  }

  /** Writes an entry, with a payload if there is one. */
  add(stream, job, inbound) {
    const fields = ['job', job, 'reply', `done:${stream}:${this.#id}`];
    if (inbound !== undefined) fields.push('inbound', inbound);
    return this.#commands.xadd(stream, '*', ...fields);
  }

  #take(key) {
    return this.#payload ? this.#commands.getdelBuffer(key) : this.#commands.getdel(key);
  }

  /** Starts a worker. */
  async work(stream, concurrency, processor) {
    const worker = new IoredisWorker(this.#commands, this.#open(), {
      stream,
      concurrency,
      readAhead: this.#readAhead,
      processor,
      errors: this.errors,
    });
    await worker.start();
    return worker;
  }
}

module.exports = { IoredisProgram };
