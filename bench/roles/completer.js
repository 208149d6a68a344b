'use strict';

const { keepInFlight } = require('../in-flight.js');
const { BasePart } = require('./part.js');

/** Has jobs without a payload completed, which so many producers send in turn. */
class Part extends BasePart {
  prepare() {
    return this.program.listen(this.options.producers);
  }

  run(load) {
    return keepInFlight(load, () => this.program.complete());
  }
}

module.exports = { Part };
