'use strict';

/**
 * Actions by their signal. All actions of a signal share one listener, since Node warns of more than ten.
 * @type {WeakMap<object, { calls: Set<{ action: (reason: any) => void }>, listener: () => void }>}
 */
const waiting = new WeakMap();

/** Returns the AbortSignal, or `undefined` without one. */
function signalOf(name, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || typeof value.aborted !== 'boolean' || typeof value.addEventListener !== 'function') {
    throw new TypeError(`${name} must be an AbortSignal`);
  }
  return value;
}

/** Returns the reason of an aborted signal. Signals of some libraries have none. */
function reasonOf(signal) {
  return 'reason' in signal ? signal.reason : new DOMException('This operation was aborted', 'AbortError');
}

/** Throws the reason of a signal that is aborted. */
function throwIfAborted(signal) {
  if (signal?.aborted) throw reasonOf(signal);
}

/**
 * Calls `action` when `signal` aborts, or at once if it is aborted.
 * @returns {() => void} removes the action
 */
function whenAborted(signal, action) {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    action(reasonOf(signal));
    return () => {};
  }
  const entry = waiting.get(signal) ?? listenTo(signal);
  const call = { action };
  entry.calls.add(call);
  return () => {
    entry.calls.delete(call);
    if (entry.calls.size > 0 || waiting.get(signal) !== entry) return;
    waiting.delete(signal);
    signal.removeEventListener('abort', entry.listener);
  };
}

function listenTo(signal) {
  const calls = new Set();
  const listener = () => {
    waiting.delete(signal);
    const reason = reasonOf(signal);
    for (const { action } of calls) action(reason);
  };
  const entry = { calls, listener };
  waiting.set(signal, entry);
  signal.addEventListener('abort', listener, { once: true });
  return entry;
}

/** Returns a promise that settles like `promise`, or rejects with the signal's reason if the signal aborts first. */
function abortable(promise, signal) {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const end = whenAborted(signal, reject);
    promise.then(resolve, reject).finally(end);
  });
}

module.exports = { signalOf, throwIfAborted, whenAborted, abortable };
