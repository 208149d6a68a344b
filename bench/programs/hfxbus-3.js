'use strict';

const { HfxbusProgram } = require('./hfxbus.js');

/** Time that a batch waits for further entries, in ms. */
const BATCH_WAIT = 5;

/** Program of a user of version 3. It differs from that of every version in batches and read-ahead alone. */
class Hfxbus3Program extends HfxbusProgram {
  #batch;

  /**
   * @param {object} hfxbus the package
   * @param {object} options as of every version, and:
   * @param {number} [options.readAhead] of consumers
   * @param {number} [options.batch] size of the batches of a drain
   */
  constructor(hfxbus, options) {
    super(hfxbus, options);
    this.#batch = options.batch;
    if (options.readAhead) this.consumerOptions.readAhead = options.readAhead;
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
    const batch = { size: this.#batch, wait: BATCH_WAIT };
    const consumer = await this.consume([stream], concurrency, processor, { batch });
    await isOver;
    await consumer.pause();
  }
}

module.exports = { Hfxbus3Program };
