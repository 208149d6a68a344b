'use strict';

/** Progress goes to stderr, so that stdout is the table alone. */
function say(text) {
  process.stderr.write(`bench: ${text}\n`);
}

module.exports = { say };
