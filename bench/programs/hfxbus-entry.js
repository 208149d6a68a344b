'use strict';

const { Hfxbus3Program } = require('./hfxbus-3.js');

/** Options of a send, by the place of its payload. */
const CARRIAGES = { key: {}, both: { carry: true }, entry: { payload: 'entry' } };

/** Program of a user of version 3 that avoids trips: payloads travel in entries, and answers in completions. */
class HfxbusEntryProgram extends Hfxbus3Program {
  #carriage;

  /**
   * @param {object} hfxbus the package
   * @param {object} options as of version 3, and:
   * @param {'key' | 'both' | 'entry'} options.payloadPlace place of payloads that are sent: payload keys, as without any
   *   option, entry and payload keys, or the entry alone
   */
  constructor(hfxbus, options) {
    super(hfxbus, options);
    this.#carriage = CARRIAGES[options.payloadPlace];
  }

  /** Sends one job, with its payload in the same write. */
  async send(payload) {
    const job = this.producer.job();
    if (payload) job.set('inbound', payload);
    await this.producer.send({ stream: 'bench', job, ...this.#carriage });
  }

  /** The round trip with two trips: the entry, and the completion with the answer. */
  async request() {
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
    const { outbound } = await job.get('outbound', false).pull();
    this.check(outbound);
  }

  /** Answers requests. The answer leaves with the settlement. */
  async serve(concurrency) {
    await this.consume(['bench'], concurrency, async (job) => {
      const { inbound } = await job.get('inbound', false).pull();
      job.set('outbound', `${inbound}world!`);
    });
  }
}

module.exports = { HfxbusEntryProgram };
