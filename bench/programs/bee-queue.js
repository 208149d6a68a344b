'use strict';

const { randomBytes } = require('node:crypto');
const { Errors } = require('../errors.js');

/** Number of jobs of a backlog that are added at once. */
const AT_ONCE = 1000;

/** Program of a Bee-Queue user, with the settings that its documents advise for speed. Payloads are in the job, as JSON. */
class BeeQueueProgram {
  #BeeQueue;
  #redis;
  #inbound;
  #isHeard;
  #queue = null;
  #senders = new Map();
  #id = randomBytes(8).toString('hex');
  #requests = 0;
  #waiting = new Map();

  errors = new Errors();

  /**
   * @param {Function} BeeQueue the package
   * @param {object} options
   * @param {number[]} options.ports of Redis
   * @param {number} [options.payload] how long a request and its answer are
   * @param {boolean} [options.isHeard] of a drain, if others receive its completions
   */
  constructor(BeeQueue, { ports: [port], payload = 0, isHeard = false }) {
    this.#BeeQueue = BeeQueue;
    this.#redis = { host: '127.0.0.1', port };
    this.#isHeard = isHeard;
    this.#inbound = payload ? 'x'.repeat(payload) : undefined;
  }

  /** Adds one job, with a payload if there is one. */
  async send(payload) {
    await this.#sender('bench')
      .createJob(payload ? { inbound: payload.latin1Slice() } : {})
      .save();
  }

  /**
   * Ready to make requests. A job's own events get lost when they come before the reply to `save()` does, which happens
   * all the time between two processes; the queue's do not.
   */
  async listen() {
    this.#queue = this.#open('bench', { isWorker: false, storeJobs: false });
    this.#queue.on('job succeeded', (request, outbound) => {
      this.#waiting.get(request)?.(outbound);
      this.#waiting.delete(request);
    });
    await this.#queue.ready();
  }

  /** A round trip, whose answer is the job's result. */
  async request() {
    const request = `${this.#id}${this.#requests++}`;
    const answer = new Promise((resolve) => this.#waiting.set(request, resolve));
    await this.#queue
      .createJob({ inbound: this.#inbound ?? 'Hello ' })
      .setId(request)
      .save();
    const outbound = await answer;
    if (outbound !== (this.#inbound ?? 'Hello world!')) throw new Error('wrong answer');
  }

  /** Answers requests. */
  async serve(concurrency) {
    const queue = this.#open('bench', { getEvents: false, storeJobs: false });
    await queue.ready();
    queue.process(concurrency, async ({ data }) => (this.#inbound ? data.inbound : `${data.inbound}world!`));
  }

  /** Calls back for everybody's completions of a queue. */
  async hear(stream, onCompletion) {
    const queue = this.#open(stream, { isWorker: false, storeJobs: false });
    queue.on('job succeeded', onCompletion);
    await queue.ready();
  }

  /** Adds jobs without payload at once. */
  async sendAll(stream, count) {
    const queue = this.#sender(stream);
    const jobs = Array.from({ length: count }, () => queue.createJob({}));
    for (const error of (await queue.saveAll(jobs)).values()) throw error;
  }

  /** Writes a backlog. */
  async fill(stream, jobs) {
    for (let done = 0; done < jobs; done += AT_ONCE) await this.sendAll(stream, Math.min(AT_ONCE, jobs - done));
  }

  /** Runs a backlog until `isOver` returns true, called after each job. Resolves when Redis has all settlements. */
  async drain(stream, concurrency, onJob, isOver) {
    const queue = this.#open(stream, { getEvents: false, sendEvents: this.#isHeard, storeJobs: false });
    queue.process(concurrency, async () => onJob());
    await isOver;
    await queue.close();
  }

  /** A queue that only adds jobs. */
  #sender(name) {
    if (!this.#senders.has(name)) {
      this.#senders.set(name, this.#open(name, { isWorker: false, getEvents: false, storeJobs: false }));
    }
    return this.#senders.get(name);
  }

  #open(name, options) {
    const queue = new this.#BeeQueue(name, { redis: this.#redis, removeOnSuccess: true, ...options });
    queue.on('error', (error) => this.errors.add(error));
    return queue;
  }
}

module.exports = { BeeQueueProgram };
