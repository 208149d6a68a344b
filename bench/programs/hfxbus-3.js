'use strict';

const { HfxbusProgram } = require('./hfxbus.js');

/** Time that a batch waits for further entries, in ms. */
const BATCH_WAIT = 5;

/**
 * Program of a user of version 3, with the options that 2.2.0 lacks. Without these options it is the program of every version.
 */
class Hfxbus3Program extends HfxbusProgram {
  #payloadPlace;
  #payload;
  #batch;

  /**
   * @param {object} hfxbus the package
   * @param {object} options those of every version, and:
   * @param {'both' | 'entry'} [options.payloadPlace] place of payloads: entry and payload keys, or the entry alone. Payload keys
   *   alone without it
   * @param {number} [options.readAhead] of consumers
   * @param {number} [options.batch] size of the batches of a drain
   */
  constructor(hfxbus, options) {
    super(hfxbus, options);
    this.#payloadPlace = options.payloadPlace;
    this.#payload = options.payload ?? 0;
    this.#batch = options.batch;
    if (options.readAhead) this.consumerOptions.readAhead = options.readAhead;
  }

  /** Sends one job, with its payload in the same write. */
  async send(payload) {
    if (!this.#payloadPlace) return super.send(payload);
    const job = this.producer.job();
    if (payload) job.set('inbound', payload);
    const carriage = this.#payloadPlace === 'entry' ? { payload: 'entry' } : { carry: true };
    await this.producer.send({ stream: 'bench', job, ...carriage });
  }

  /** The round trip with two trips: entry, and completion with the answer in it. */
  async request() {
    if (!this.#payloadPlace) return super.request();
    const payload = this.#payload;
    const job = this.producer.job().set('inbound', this.inbound);
    await this.producer.send({
      stream: 'bench',
      job,
      waitFor: ['bench'],
      returns: ['outbound'],
      payload: 'entry',
      ...this.routed,
    });
    await job.finished();
    const { outbound } = await job.get('outbound', payload > 0).pull();
    this.check(outbound);
  }

  /** Answers requests. The answer leaves with the settlement. */
  async serve(concurrency) {
    if (!this.#payloadPlace) return super.serve(concurrency);
    const payload = this.#payload;
    await this.consume(['bench'], concurrency, async (job) => {
      const { inbound } = await job.get('inbound', payload > 0).pull();
      job.set('outbound', payload ? inbound : `${inbound}world!`);
    });
  }

  /** Sends jobs without payload at once. */
  async sendAll(stream, count) {
    await this.producer.sendAll(Array.from({ length: count }, () => ({ stream, job: this.producer.job() })));
  }

  /** Runs a backlog, in batches if asked for. */
  async drain(stream, concurrency, onJob, isOver) {
    if (!this.#batch) return super.drain(stream, concurrency, onJob, isOver);
    const processor = async (jobs) => {
      for (const _ of jobs) onJob();
    };
    const consumer = await this.consume([stream], concurrency, processor, {
      batch: { size: this.#batch, wait: BATCH_WAIT },
    });
    await isOver;
    await consumer.pause();
  }
}

module.exports = { Hfxbus3Program };
