'use strict';

const { BasePart } = require('./part.js');

/** Has consumers that have nothing to do. */
class Part extends BasePart {
  prepare() {
    return this.program.reside(this.options);
  }
}

module.exports = { Part };
