'use strict';

/** How many entries of a backlog are written at once. */
const AT_ONCE = 1000;

/**
 * What a user of hfxbus writes, the same for every version of it: with deadlines, claiming and error listeners, as in
 * production.
 */
class HfxbusProgram {
  #hfxbus;
  #connection;
  #group;
  #stream;
  #route;
  #blockTimeout;
  #producer = null;
  #errors = [];

  /**
   * @param {object} hfxbus the package
   * @param {{ ports: number[], group?: string, stream?: string, isDistributed?: boolean, blockTimeout?: number }} options
   *   with `isDistributed` on all ports at once; else on the only one
   */
  constructor(hfxbus, { ports, group = 'bench', stream = 'bench', isDistributed = false, blockTimeout = 5000 }) {
    const nodes = ports.map((port) => ({ host: '127.0.0.1', port }));
    this.#hfxbus = hfxbus;
    this.#connection = isDistributed
      ? hfxbus.ConnectionManager.nodes({ nodes })
      : hfxbus.ConnectionManager.standalone(nodes[0]);
    this.#group = group;
    this.#stream = stream;
    this.#route = isDistributed ? hfxbus.DISTRIBUTED_ROUTING : undefined;
    this.#blockTimeout = blockTimeout;
  }

  /** What was reported as an error so far. */
  get errors() {
    return this.#errors;
  }

  /** Sends one job, with a payload if there is one. */
  async send(payload) {
    const job = this.#sending.job();
    if (payload) await job.set('inbound', payload).push();
    await this.#sending.send({ stream: this.#stream, job });
  }

  /** Ready to make requests. */
  async listen() {
    await this.#sending.listen();
  }

  /** The round trip of the README. */
  async request() {
    const job = this.#sending.job();
    await job.set('inbound', 'Hello ').push();
    await this.#sending.send({ stream: this.#stream, job, waitFor: [this.#group], ...this.#routed });
    await job.finished();
    const { outbound } = await job.get('outbound', false).del('outbound').pull();
    if (outbound !== 'Hello world!') throw new Error(`wrong answer: ${outbound}`);
  }

  /** Answers requests. */
  async serve(concurrency) {
    const consumer = this.#consumer(concurrency);
    consumer.process({
      stream: this.#stream,
      processor: async (job) => {
        const { inbound } = await job.get('inbound', false).del('inbound').pull();
        await job.set('outbound', `${inbound}world!`).push();
      },
    });
    await consumer.play();
  }

  /** Writes a backlog, faster than any producer would. */
  async fill(stream, jobs) {
    const client = this.#connection.getClient('filler');
    const key = `${this.#connection.getKeyPrefix()}:str:${stream}`;
    for (let done = 0; done < jobs; done += AT_ONCE) {
      const ids = Array.from({ length: Math.min(AT_ONCE, jobs - done) }, (_, index) => `job-${done + index}`);
      const replies = await client.pipeline(ids.map((id) => ['xadd', key, '*', 'prd', 'bench', 'job', id])).exec();
      for (const [error] of replies) if (error) throw error;
    }
  }

  /** Runs a backlog to its end: resolves when every job has run and Redis knows. */
  async drain(stream, jobs, concurrency) {
    let left = jobs;
    const consumer = this.#consumer(concurrency);
    const empty = new Promise((resolve) => {
      const processor = async () => {
        left--;
        if (left === 0) resolve();
      };
      consumer.process({ stream, processor, fromId: '0' });
    });
    await consumer.play();
    await empty;
    await consumer.pause();
  }

  get #sending() {
    if (this.#producer === null) {
      this.#producer = new this.#hfxbus.Producer(this.#connection);
      this.#producer.on('error', (error) => this.#errors.push(error));
    }
    return this.#producer;
  }

  get #routed() {
    return this.#route ? { route: this.#route } : {};
  }

  #consumer(concurrency) {
    const consumer = new this.#hfxbus.Consumer(this.#connection, {
      group: this.#group,
      concurrency,
      blockTimeout: this.#blockTimeout,
      claimInterval: 1000,
      claimDeadline: 60000,
      ...this.#routed,
    });
    consumer.on('error', (error) => this.#errors.push(error));
    return consumer;
  }
}

module.exports = { HfxbusProgram };
