'use strict';

/** What an error's own text says even where these are not enumerable, in the order in which 2.x wrote them. */
const COMMON = ['name', 'message', 'stack', 'code'];

/**
 * The error of a job as it travels: JSON that producers of 2.x read too. `toJSON` is not asked and functions within
 * are left out, as in 2.x; a BigInt becomes its digits; what is no error for 2.x (null, undefined, a symbol) becomes
 * one that says so. Never throws: a job that failed must be reported whatever it failed with.
 * @returns {string}
 */
function errorData(thrown) {
  if (thrown === null || thrown === undefined || typeof thrown === 'symbol') {
    return JSON.stringify({ name: 'Error', message: `The job was rejected with ${String(thrown)}` });
  }
  if (typeof thrown === 'function') return JSON.stringify(`[Function: ${functionName(thrown)}]`);
  if (typeof thrown !== 'object') return stringify(thrown);
  try {
    return stringify(copy(thrown, []));
  } catch {
    return JSON.stringify({ name: 'Error', message: 'The job was rejected with an error that cannot be read' });
  }
}

function stringify(value) {
  return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? inner.toString() : inner));
}

/** @param {object[]} within the objects that this one is part of */
function copy(source, within) {
  const target = Array.isArray(source) ? [] : {};
  const here = [...within, source];
  for (const key of Object.keys(source)) {
    const value = source[key];
    if (typeof value === 'function') continue;
    if (value === null || typeof value !== 'object') define(target, key, value);
    else define(target, key, here.includes(value) ? '[Circular]' : copy(value, here));
  }
  for (const key of COMMON) {
    if (typeof source[key] === 'string') define(target, key, source[key]);
  }
  return target;
}

/** Assigns, whatever the key is called. */
function define(target, key, value) {
  Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: true });
}

function functionName(callable) {
  return callable.name || 'anonymous';
}

module.exports = { errorData };
