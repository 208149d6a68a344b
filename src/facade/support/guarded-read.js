'use strict';

/** Stands for a value that could not be read. */
const FAILED = Symbol('FAILED');

/** The value, or FAILED if it cannot be read. */
function read(source, key) {
  try {
    return source[key];
  } catch {
    return FAILED;
  }
}

function attempt(call, value) {
  try {
    return call(value);
  } catch {
    return FAILED;
  }
}

module.exports = { FAILED, attempt, read };
