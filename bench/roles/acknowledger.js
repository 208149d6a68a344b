'use strict';

const { BasePart } = require('./part.js');

/** Completes jobs without doing anything. */
class Part extends BasePart {
  prepare() {
    return this.program.acknowledge(this.options.concurrency);
  }
}

module.exports = { Part };
