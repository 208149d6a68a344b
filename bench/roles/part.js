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

  /** What it has used since `begin()`. A run in which something went wrong has measured nothing. */
  used() {
    const [error] = this.program.errors;
    if (error) throw error;
    return this.#meter.read();
  }
}

module.exports = { BasePart };
