'use strict';

const { IoredisProgram } = require('./ioredis.js');

/** The same by hand with fewer trips: payloads are in entries, and answers in completions. */
class IoredisEntryProgram extends IoredisProgram {
  async send(payload) {
    await this.add('bench', this.newJob(), payload);
  }

  /** A round trip: entry, completion. */
  async request() {
    const job = this.newJob();
    const [, outbound] = await Promise.all([this.add('bench', job, 'Hello '), this.completion(job)]);
    if (outbound !== 'Hello world!') throw new Error('wrong answer');
  }

  async serve(concurrency) {
    await this.work('bench', concurrency, async (_, inbound) => `${inbound}world!`);
  }
}

module.exports = { IoredisEntryProgram };
