'use strict';

/** Advice for a value, by the message of JSON.stringify(). */
const REMEDIES = [
  [/BigInt/, 'convert each BigInt, as with String()'],
  [/circular/, 'leave the cycle out'],
  [/call stack/, 'reduce its depth'],
];

/**
 * Creates the error of a payload key whose value is not JSON, of the same class. Other errors of a `toJSON` method are returned
 * unchanged.
 */
function notJson(key, error) {
  const Class = [TypeError, RangeError].find((kind) => error instanceof kind);
  if (Class === undefined) return error;
  const [, remedy] = REMEDIES.find(([pattern]) => pattern.test(error.message)) ?? [];
  const advice = remedy ?? 'set a JSON value or bytes';
  const message = `The value of '${key}' cannot be stored as JSON, ${advice}: ${error.message}`;
  return withCode(new Class(message, { cause: error }));
}

/** Creates the error of a payload key whose value is a Promise. */
function notAwaited(key) {
  return withCode(new TypeError(`The value of '${key}' is a Promise: await it`));
}

function withCode(error) {
  error.code = 'PAYLOAD_NOT_JSON';
  return error;
}

module.exports = { notAwaited, notJson };
