'use strict';

const { Errors } = require('../errors.js');

/** Number of entries of a backlog that are written at once. */
const AT_ONCE = 1000;

/**
 * Program of an hfxbus user, the same for every version: with deadlines, claiming and error listeners, as in
 * production.
 */
class HfxbusProgram {
  #hfxbus;
  #payload;
  #connection;
  #producers = [];
  #turn = 0;

  errors = new Errors();
  /** Options of every consumer. */
  consumerOptions;
  /** Options of a job's route. */
  routed;
  /** Streams of round trips, used in turn. */
  #streams;
  #requests = 0;

  /**
   * @param {object} hfxbus the package
   * @param {object} options
   * @param {number[]} options.ports of the servers
   * @param {'standalone' | 'nodes' | 'cluster'} [options.topology] what these are; over `nodes` jobs are distributed
   * @param {number} [options.payload] how many bytes a request has, and its answer; without, they are the README's
   * @param {number} [options.blockTimeout] of consumers, in ms
   * @param {string[]} [options.streams] streams of round trips
   */
  constructor(hfxbus, { ports, topology = 'standalone', payload = 0, blockTimeout = 5000, streams = ['bench'] }) {
    const nodes = ports.map((port) => ({ host: '127.0.0.1', port }));
    const connect = {
      standalone: () => hfxbus.ConnectionManager.standalone(nodes[0]),
      nodes: () => hfxbus.ConnectionManager.nodes({ nodes }),
      cluster: () => hfxbus.ConnectionManager.cluster(nodes),
    };
    this.#hfxbus = hfxbus;
    this.#payload = payload;
    this.#streams = streams;
    this.#connection = connect[topology]();
    this.routed = topology === 'nodes' ? { route: hfxbus.DISTRIBUTED_ROUTING } : {};
    // On a Cluster a consumer of 2.2.0 reads nothing any more once it has tried to claim.
    const claiming = topology === 'cluster' ? {} : { claimInterval: 1000, claimDeadline: 60000 };
    this.consumerOptions = { group: 'bench', blockTimeout, ...claiming, ...this.routed };
  }

  /** Sends one job, with a payload if there is one. */
  async send(payload) {
    const job = this.producer.job();
    if (payload) await job.set('inbound', payload).push();
    await this.producer.send({ stream: 'bench', job });
  }

  /** Ready to make requests, by so many producers. */
  async listen(producers = 1) {
    for (let index = 0; index < producers; index++) await this.#produce().listen();
  }

  /** The round trip of the README. */
  async request() {
    const payload = this.#payload;
    const job = this.producer.job();
    await job.set('inbound', this.inbound).push();
    const stream = this.#streams[this.#requests++ % this.#streams.length];
    await this.producer.send({ stream, job, waitFor: ['bench'], ...this.routed });
    await job.finished();
    const { outbound } = await job
      .get('outbound', payload > 0)
      .del('outbound')
      .pull();
    this.check(outbound);
  }

  /** Payload of a request. */
  get inbound() {
    return this.#payload ? Buffer.alloc(this.#payload, 'x') : 'Hello ';
  }

  /** Throws an error unless it is the answer to a request. */
  check(outbound) {
    const isRight = this.#payload ? outbound?.length === this.#payload : outbound === 'Hello world!';
    if (!isRight) throw new Error('wrong answer');
  }

  /** Answers requests. Each stream has a consumer, since one of 2.2.0 reads only one stream of a Cluster. */
  async serve(concurrency) {
    const payload = this.#payload;
    const answer = async (job) => {
      const { inbound } = await job
        .get('inbound', payload > 0)
        .del('inbound')
        .pull();
      await job.set('outbound', payload ? inbound : `${inbound}world!`).push();
    };
    for (const stream of this.#streams) await this.consume([stream], concurrency, answer);
  }

  /** A job without a payload, sent by each producer in turn, and its completion. */
  async complete(stream = 'bench') {
    const producer = this.#producers[this.#turn++ % this.#producers.length];
    const job = producer.job();
    await producer.send({ stream, job, waitFor: ['bench'], ...this.routed });
    await job.finished();
  }

  /** So many consumers, with so many streams each, that have nothing to do. Every connection has been used. */
  async reside({ consumers = 1, streams = 1 }) {
    await this.listen();
    for (let index = 0; index < consumers; index++) {
      const names = Array.from({ length: streams }, (_, stream) => `bench-${index}-${stream}`);
      await this.consume(names, 1, async () => {});
      for (const name of names) await this.complete(name);
    }
  }

  /** Completes jobs of others. */
  async acknowledge(concurrency) {
    await this.consume(['bench'], concurrency, async () => {});
  }

  /** Calls back for everybody's completions on a stream. */
  async hear(stream, onCompletion) {
    const producer = this.#produce();
    producer.on(stream, onCompletion);
    await producer.listen(stream);
  }

  /** Returns channel and message of a completion. */
  completionOf(stream) {
    const message = JSON.stringify({ str: stream, grp: 'bench', job: '0123456789abcdef' });
    return { channel: `${this.#connection.getKeyPrefix()}:chn:${stream}:bench`, message };
  }

  /** Sends jobs without payload at once. */
  async sendAll(stream, count) {
    await Promise.all(Array.from({ length: count }, () => this.producer.send({ stream, job: this.producer.job() })));
  }

  /** Writes a backlog, faster than any producer would; over several nodes an equal share to each. */
  async fill(stream, jobs) {
    const key = `${this.#connection.getKeyPrefix()}:str:${stream}`;
    const clients = this.#connection.getClients('filler');
    for (let done = 0, turn = 0; done < jobs; done += AT_ONCE, turn++) {
      const ids = Array.from({ length: Math.min(AT_ONCE, jobs - done) }, (_, index) => `job-${done + index}`);
      const entries = ids.map((id) => ['xadd', key, '*', 'prd', 'bench', 'job', id]);
      const replies = await clients[turn % clients.length].pipeline(entries).exec();
      for (const [error] of replies) if (error) throw error;
    }
  }

  /** Runs a backlog until `isOver` returns true, called after each job. Resolves when Redis has all settlements. */
  async drain(stream, concurrency, onJob, isOver) {
    const consumer = await this.consume([stream], concurrency, async () => onJob());
    await isOver;
    await consumer.pause();
  }

  get producer() {
    return this.#producers[0] ?? this.#produce();
  }

  #produce() {
    const producer = new this.#hfxbus.Producer(this.#connection);
    producer.on('error', (error) => this.errors.add(error));
    this.#producers.push(producer);
    return producer;
  }

  /** Starts a consumer. `processing` is passed on with each stream. */
  async consume(streams, concurrency, processor, processing = {}) {
    const consumer = new this.#hfxbus.Consumer(this.#connection, { ...this.consumerOptions, concurrency });
    consumer.on('error', (error) => this.errors.add(error));
    for (const stream of streams) consumer.process({ stream, processor, fromId: '0', ...processing });
    await consumer.play();
    return consumer;
  }
}

module.exports = { HfxbusProgram };
