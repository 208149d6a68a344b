'use strict';

const { Meter } = require('../meter.js');

/** Common part of every role: a program, and its resource usage. */
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

  /** Returns the resources used since `begin()`. */
  used() {
    this.program.errors.check();
    return this.#meter.read();
  }
}

module.exports = { BasePart };
