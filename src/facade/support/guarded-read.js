'use strict';

/** Marks a value that could not be read. */
const FAILED = Symbol('FAILED');

/** Returns the value of a property, or FAILED if reading throws. */
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
