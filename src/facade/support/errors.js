'use strict';

/**
 * Defines a property that cannot be changed.
 * @returns {boolean} true on success; false for a second call with another value
 */
function withValue(object, property, value) {
  return Reflect.defineProperty(object, property, { value, writable: false, configurable: false, enumerable: true });
}

/** Sets `code` and `errno`. The first code of an error stays. */
function setErrorKind(error, kind) {
  withValue(error, 'code', kind);
  withValue(error, 'errno', kind);
  return error;
}

/** Error reply of Redis. */
class ReplyError extends Error {}
ReplyError.prototype.name = 'ReplyError';

/** Error after `maxRetriesPerRequest` failed reconnections. */
class MaxRetriesPerRequestError extends Error {}
MaxRetriesPerRequestError.prototype.name = 'MaxRetriesPerRequestError';

const CLASSES = { reply: ReplyError, maxRetries: MaxRetriesPerRequestError };

const CODES = {
  closed: 'CONNECTION_CLOSED',
  dropped: 'CONNECTION_LOST',
  maxRetries: 'MAX_RETRIES',
  notReady: 'NOT_READY',
  queueFull: 'QUEUE_FULL',
  requestTooLarge: 'REQUEST_TOO_LARGE',
  timeout: 'COMMAND_TIMEOUT',
  connect: 'CONNECTION_FAILED',
  protocol: 'PROTOCOL_ERROR',
  refused: 'UNSUPPORTED_COMMAND',
  ejected: 'NODE_EJECTED',
  fenced: 'OWNERSHIP_LOST',
};

/** Creates the error of an engine report. `code` stays writable, so that `setErrorKind` can replace it. */
function engineError({ kind, code, message, command, node, cause }) {
  const error = new (CLASSES[kind] ?? Error)(message, cause && { cause: engineError(cause) });
  error.code = code ?? CODES[kind];
  if (command) error.command = command;
  if (node) error.node = node;
  return error;
}

/** Creates the error of a request that a stop of the bus has ended. */
function closedError() {
  return engineError({ kind: 'closed', message: 'Connection is closed.' });
}

/** Error of a processor that must not run again for the job. */
class UnrecoverableError extends Error {}
UnrecoverableError.prototype.name = 'UnrecoverableError';
UnrecoverableError.prototype.retry = false;

/** Returns true if the property `retry` of a thrown value is false. Never throws. */
function isUnrecoverable(thrown) {
  try {
    return thrown?.retry === false;
  } catch {
    return false;
  }
}

/** Returns a thrown object, or an error with the thrown value as its cause, so that it can carry a code. */
function asObject(thrown, message) {
  const isObject = (typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function';
  return isObject ? thrown : new Error(message, { cause: thrown });
}

module.exports = { UnrecoverableError, isUnrecoverable, withValue, setErrorKind, engineError, closedError, asObject };
