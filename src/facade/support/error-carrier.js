'use strict';

const { asObject, setErrorKind } = require('./errors.js');

/**
 * Adds a code and properties to a thrown value. A value that cannot take them, such as a frozen error, becomes the `cause` of
 * a new error. Never throws.
 * @param {unknown} thrown
 * @param {string} message message of the new error
 * @param {string} kind code of the error
 * @param {object} [about] properties of the error
 */
function errorCarrier(thrown, message, kind, about = {}) {
  try {
    return setErrorKind(Object.assign(asObject(thrown, message), about), kind);
  } catch {
    return setErrorKind(Object.assign(new Error(message, { cause: thrown }), about), kind);
  }
}

module.exports = { errorCarrier };
