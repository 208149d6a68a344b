'use strict';

/** Value of `error.type` for an error without a code and a name. */
const OTHER = '_OTHER';

/** Returns the code of an error, or else its name. Never throws. */
function errorType(thrown) {
  const code = property(thrown, 'code');
  return String(code ?? property(thrown, 'name') ?? OTHER);
}

/** Returns a value that `recordException()` takes. */
function recorded(thrown) {
  const isObject = typeof thrown === 'object' && thrown !== null;
  return isObject || typeof thrown === 'string' ? thrown : String(thrown);
}

/** Returns a property that is a text or a number. */
function property(thrown, name) {
  try {
    const value = thrown?.[name];
    return typeof value === 'string' || typeof value === 'number' ? value : undefined;
  } catch {
    return undefined;
  }
}

module.exports = { errorType, recorded };
