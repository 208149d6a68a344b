'use strict';

const { BasePart } = require('./part.js');

/** Writes backlogs. */
class Part extends BasePart {
  fill(stream, jobs) {
    return this.program.fill(stream, jobs);
  }
}

module.exports = { Part };
