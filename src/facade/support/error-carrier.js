'use strict';

const { asObject, setErrorKind } = require('./errors.js');

/**
 * Gives a thrown value a code and properties. A value that takes none, such as a frozen error, becomes the `cause` of an error
 * that does. Never throws.
 * @param {unknown} thrown
 * @param {string} message of the error that is made if one is needed
 * @param {string} kind the code
 * @param {object} [about] the properties
 */
function errorCarrier(thrown, message, kind, about = {}) {
  try {
    return setErrorKind(Object.assign(asObject(thrown, message), about), kind);
  } catch {
    return setErrorKind(Object.assign(new Error(message, { cause: thrown }), about), kind);
  }
}

module.exports = { errorCarrier };
