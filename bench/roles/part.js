'use strict';

const { Meter } = require('../meter.js');

/** What every role has: a program, and what it used. */
class BasePart {
  #meter = null;

  constructor(program, options) {
    this.program = program;
    this.options = options;
  }

  async prepare() {}

  /** From here on counts what the process uses. */
  begin() {
    this.#meter = new Meter();
  }

  /** What it has used since `begin()`. */
  used() {
    this.program.errors.check();
    return this.#meter.read();
  }
}

module.exports = { BasePart };
