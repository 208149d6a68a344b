'use strict';

const { atRate } = require('../at-rate.js');
const { keepInFlight } = require('../in-flight.js');
const { Latencies } = require('../latencies.js');
const { BasePart } = require('./part.js');

/** Makes requests, and waits for their answers. With `isAlone` it answers them as well. */
class Part extends BasePart {
  async prepare() {
    const { isAlone, concurrency } = this.options;
    if (isAlone) await this.program.serve(concurrency);
    await this.program.listen();
  }

  run(load) {
    return keepInFlight(load, () => this.program.request());
  }

  /** So many a second, whether those before are answered or not. */
  async runAtRate({ seconds, rate }) {
    const latencies = new Latencies(Math.ceil(seconds * rate));
    const requests = [];
    await atRate({ seconds, rate }, () => requests.push(latencies.time(() => this.program.request())));
    await Promise.all(requests);
    return latencies.summary();
  }
}

module.exports = { Part };
