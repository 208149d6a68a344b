'use strict';

const { BasePart } = require('./part.js');

/** Runs backlogs to their end. */
class Part extends BasePart {
  drain(stream, jobs, concurrency) {
    return this.program.drain(stream, jobs, concurrency);
  }
}

module.exports = { Part };
