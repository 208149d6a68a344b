'use strict';

const { keepInFlight } = require('../in-flight.js');
const { BasePart } = require('./part.js');

/** Sends jobs without a consumer. */
class Part extends BasePart {
  #payload;

  constructor(program, options) {
    super(program, options);
    this.#payload = options.payload ? Buffer.alloc(options.payload, 'x') : undefined;
  }

  run(load) {
    return keepInFlight(load, () => this.program.send(this.#payload));
  }

  /** Sends batches instead. Times are those of a batch. */
  async runBatches({ batch, jobs, ...load }) {
    const done = await keepInFlight({ ...load, jobs: Math.ceil(jobs / batch) }, () =>
      this.program.sendAll('bench', batch),
    );
    return { ...done, jobs: done.jobs * batch };
  }
}

module.exports = { Part };
