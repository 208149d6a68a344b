'use strict';

const { BasePart } = require('./part.js');

/** Answers requests. */
class Part extends BasePart {
  prepare() {
    return this.program.serve(this.options.concurrency);
  }
}

module.exports = { Part };
