'use strict';

const { keepInFlight } = require('../in-flight.js');
const { BasePart } = require('./part.js');

/** Makes requests, and waits for their answers. */
class Part extends BasePart {
  prepare() {
    return this.program.listen();
  }

  run(load) {
    return keepInFlight(load, () => this.program.request());
  }
}

module.exports = { Part };
