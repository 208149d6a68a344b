'use strict';

/** The same value, of which nothing can be changed. */
function frozen(value) {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}

module.exports = { frozen };
