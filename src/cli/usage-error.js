'use strict';

/** What was typed cannot be understood; `help` says what can be. */
class UsageError extends Error {
  constructor(message, help) {
    super(message);
    this.help = help;
  }
}

module.exports = { UsageError };
