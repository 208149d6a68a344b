'use strict';

/** Files of tests that a guest cannot run, by platform, with the reason. */
const LEFT_OUT = {};

/** Returns the reason that a platform leaves a file of tests out, or undefined. */
function whyNot(name, file) {
  return LEFT_OUT[name]?.[file.split('/').at(-1)];
}

module.exports = { LEFT_OUT, whyNot };
