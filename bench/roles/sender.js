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
}

module.exports = { Part };
