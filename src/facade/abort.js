'use strict';

/** An AbortSignal, if there is one. */
function signalOf(name, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || typeof value.aborted !== 'boolean' || typeof value.addEventListener !== 'function') {
    throw new TypeError(`${name} must be an AbortSignal`);
  }
  return value;
}

/**
 * Calls `action` when `signal` is aborted, at once if it is already.
 * @returns {() => void} ends that
 */
function whenAborted(signal, action) {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    action(signal.reason);
    return () => {};
  }
  const listener = () => action(signal.reason);
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** The promise, unless `signal` is aborted before it is settled: then it rejects with the signal's reason. */
function abortable(promise, signal) {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const end = whenAborted(signal, reject);
    promise.then(resolve, reject).finally(end);
  });
}

module.exports = { signalOf, whenAborted, abortable };
