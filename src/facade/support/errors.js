'use strict';

/**
 * Defines a property that stays as it is.
 * @returns {boolean} whether that was possible; a second call with another value is not
 */
function withValue(object, property, value) {
  return Reflect.defineProperty(object, property, { value, writable: false, configurable: false, enumerable: true });
}

/** Sets `code` and `errno`; the first kind an error is given stays. */
function setErrorKind(error, kind) {
  withValue(error, 'code', kind);
  withValue(error, 'errno', kind);
  return error;
}

/** Redis answered with an error. */
class ReplyError extends Error {}
ReplyError.prototype.name = 'ReplyError';

/** As many reconnections failed as `maxRetriesPerRequest` allows. */
class MaxRetriesPerRequestError extends Error {}
MaxRetriesPerRequestError.prototype.name = 'MaxRetriesPerRequestError';

const CLASSES = { reply: ReplyError, maxRetries: MaxRetriesPerRequestError };

const CODES = {
  closed: 'CONNECTION_CLOSED',
  dropped: 'CONNECTION_LOST',
  maxRetries: 'MAX_RETRIES',
  notReady: 'NOT_READY',
  queueFull: 'QUEUE_FULL',
  timeout: 'COMMAND_TIMEOUT',
  connect: 'CONNECTION_FAILED',
  protocol: 'PROTOCOL_ERROR',
  refused: 'UNSUPPORTED_COMMAND',
  ejected: 'NODE_EJECTED',
};

/** Makes the error that the engine reported. `code` stays replaceable, so that `setErrorKind` can set its own. */
function engineError({ kind, code, message, command, node, cause }) {
  const error = new (CLASSES[kind] ?? Error)(message, cause && { cause: engineError(cause) });
  error.code = code ?? CODES[kind];
  if (command) error.command = command;
  if (node) error.node = node;
  return error;
}

/** The error of what can never come any more, since the bus was stopped. */
function closedError() {
  return engineError({ kind: 'closed', message: 'Connection is closed.' });
}

/** Thrown by a processor, it says that running the job again is no use. */
class UnrecoverableError extends Error {}
UnrecoverableError.prototype.name = 'UnrecoverableError';
UnrecoverableError.prototype.retry = false;

/** Whether an error says so, by its class or by a property `retry` that is false. Never throws. */
function isUnrecoverable(thrown) {
  try {
    return thrown?.retry === false;
  } catch {
    return false;
  }
}

/** Makes an object of whatever was thrown, so that it can carry a code. */
function asObject(thrown, message) {
  const isObject = (typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function';
  return isObject ? thrown : new Error(message, { cause: thrown });
}

module.exports = { UnrecoverableError, isUnrecoverable, withValue, setErrorKind, engineError, closedError, asObject };
