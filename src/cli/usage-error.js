'use strict';

/** Error for invalid arguments. `help` is the help text of the verb. */
class UsageError extends Error {
  constructor(message, help) {
    super(message);
    this.help = help;
  }
}

module.exports = { UsageError };
