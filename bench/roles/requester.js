'use strict';

const { provideMetronome } = require('../at-rate.js');
const { keepInFlight } = require('../in-flight.js');
const { openLoop } = require('../open-loop.js');
const { BasePart } = require('./part.js');

/** Makes requests, and waits for their answers. With `isAlone` it answers them as well. With `isOpen` it can run at a rate. */
class Part extends BasePart {
  async prepare() {
    const { isAlone, isOpen, concurrency } = this.options;
    if (isAlone) await this.program.serve(concurrency);
    await this.program.listen();
    if (isOpen) await provideMetronome();
  }

  run(load) {
    return keepInFlight(load, () => this.program.request());
  }

  /** Makes requests by the clock, whether earlier ones have their answers or not. */
  runAtRate(load) {
    return openLoop(load, () => this.program.request());
  }
}

module.exports = { Part };
