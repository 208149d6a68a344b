'use strict';

const { Errors } = require('../errors.js');

/** Number of jobs of a backlog that are added at once. */
const AT_ONCE = 1000;
/** Retention of completed jobs: a wait can begin after the end of its job. */
const KEPT = 10_000;

/** Program of a BullMQ user: a queue, a worker, events of the queue. Payloads are in the job, as JSON. */
class BullmqProgram {
  #bullmq;
  #connection;
  #inbound;
  #queues = new Map();
  #events = null;

  errors = new Errors();

  /**
   * @param {object} bullmq the package
   * @param {{ ports: number[], payload?: number }} options where Redis is, and how long a request and its answer are
   */
  constructor(bullmq, { ports: [port], payload = 0 }) {
    this.#bullmq = bullmq;
    this.#connection = { host: '127.0.0.1', port };
    this.#inbound = payload ? 'x'.repeat(payload) : undefined;
  }

  /** Adds one job, with a payload if there is one. */
  async send(payload) {
    await this.#queue('bench').add('job', payload ? { inbound: payload.latin1Slice() } : {});
  }

  /** Ready to make requests. */
  async listen() {
    this.#events = this.#watched(new this.#bullmq.QueueEvents('bench', { connection: this.#connection }));
    this.#events.setMaxListeners(0);
    this.#queue('bench').setMaxListeners(0);
    await this.#events.waitUntilReady();
  }

  /** A round trip, whose answer is the job's return value. */
  async request() {
    const job = await this.#queue('bench').add('job', { inbound: this.#inbound ?? 'Hello ' });
    const outbound = await job.waitUntilFinished(this.#events);
    if (outbound !== (this.#inbound ?? 'Hello world!')) throw new Error('wrong answer');
  }

  /** Answers requests. */
  async serve(concurrency) {
    const answer = async ({ data }) => (this.#inbound ? data.inbound : `${data.inbound}world!`);
    await this.#work('bench', concurrency, answer).waitUntilReady();
  }

  /** Calls back for everybody's completions of a queue. */
  async hear(stream, onCompletion) {
    const events = this.#watched(new this.#bullmq.QueueEvents(stream, { connection: this.#connection }));
    events.on('completed', onCompletion);
    await events.waitUntilReady();
  }

  /** Adds jobs without payload at once. */
  async sendAll(stream, count) {
    await this.#queue(stream).addBulk(Array.from({ length: count }, () => ({ name: 'job', data: {} })));
  }

  /** Writes a backlog. */
  async fill(stream, jobs) {
    for (let done = 0; done < jobs; done += AT_ONCE) await this.sendAll(stream, Math.min(AT_ONCE, jobs - done));
  }

  /** Runs a backlog until `isOver` returns true, called after each job. Resolves when Redis has all settlements. */
  async drain(stream, concurrency, onJob, isOver) {
    const worker = this.#work(stream, concurrency, async () => onJob());
    await isOver;
    await worker.close();
  }

  #queue(name) {
    if (!this.#queues.has(name)) {
      const defaultJobOptions = { removeOnComplete: KEPT };
      const queue = new this.#bullmq.Queue(name, { connection: this.#connection, defaultJobOptions });
      this.#queues.set(name, this.#watched(queue));
    }
    return this.#queues.get(name);
  }

  #work(name, concurrency, processor) {
    return this.#watched(new this.#bullmq.Worker(name, processor, { connection: this.#connection, concurrency }));
  }

  #watched(emitter) {
    emitter.on('error', (error) => this.errors.add(error));
    return emitter;
  }
}

module.exports = { BullmqProgram };
