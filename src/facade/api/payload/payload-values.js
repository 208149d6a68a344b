'use strict';

const { isAnyArrayBuffer } = require('node:util').types;
const { notAwaited, notJson } = require('../../support/payload-error.js');

/** Sets an own property, also with the name `__proto__`. */
function put(object, key, value) {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, configurable: true, enumerable: true });
  } else {
    object[key] = value;
  }
}

/** Returns bytes unchanged, and other values as JSON. A value without JSON is empty. */
function encode(key, value) {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (isAnyArrayBuffer(value)) return new Uint8Array(value);
  if (value instanceof Promise) throw notAwaited(key);
  try {
    return JSON.stringify(value) ?? '';
  } catch (error) {
    throw notJson(key, error);
  }
}

/** Returns an encoded value that its owner cannot change. */
function copied(value) {
  return typeof value === 'string' ? value : value.slice();
}

/** Returns the time for PSETEX, in ms; 0 for none. */
function expiry(key, timeout) {
  if (!timeout) return 0;
  const ms = typeof timeout === 'string' ? Number(timeout) : timeout;
  if (!Number.isSafeInteger(ms) || ms < 1) {
    throw new RangeError(`The timeout of '${key}' must be a whole number of milliseconds from 1 on`);
  }
  return ms;
}

module.exports = { copied, encode, expiry, put };
