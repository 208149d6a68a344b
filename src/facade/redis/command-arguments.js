'use strict';

/** Commands that take an object or a Map of fields, with the number of arguments before it. */
const FIELDS_FROM = { mset: 0, msetnx: 0, hset: 1, hmset: 1 };

/**
 * Returns the arguments of a command as in ioredis. Arrays are flattened, `null` and `undefined` are empty, and values with a
 * text of their own, such as numbers, become that text. Bytes stay bytes.
 * @returns {Array<string | Uint8Array>} the command's name first
 */
function toWords(name, args) {
  const flat = args.flat();
  const fields = fieldsOf(name, flat);
  return [name, ...(fields ?? flat).map((value, index) => toWord(name, value, index))];
}

function fieldsOf(name, args) {
  const from = Object.hasOwn(FIELDS_FROM, name) ? FIELDS_FROM[name] : undefined;
  const last = args[args.length - 1];
  if (args.length - 1 !== from || !isPlain(last)) return undefined;
  const entries = last instanceof Map ? [...last] : Object.entries(last);
  return [...args.slice(0, from), ...entries.flat()];
}

/** Returns true for an object of fields, which has no text of its own. */
function isPlain(value) {
  return typeof value === 'object' && value !== null && !isBytes(value) && !hasText(value);
}

function toWord(name, value, index) {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (isBytes(value)) return new Uint8Array(value);
  if (typeof value !== 'function' && typeof value !== 'symbol' && (typeof value !== 'object' || hasText(value))) {
    return String(value);
  }
  throw new TypeError(`argument ${index + 1} of ${name.toUpperCase()} cannot be ${describe(value)}`);
}

function isBytes(value) {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

/** Returns true for values with a text, such as Dates and URLs; false for nested arrays and plain objects. */
function hasText(value) {
  return !Array.isArray(value) && typeof value.toString === 'function' && value.toString !== Object.prototype.toString;
}

function describe(value) {
  if (typeof value === 'symbol') return 'a symbol';
  if (typeof value === 'function') return 'a function: a command takes no callback; it returns a promise';
  return Array.isArray(value) ? 'an array within an array' : 'an object';
}

module.exports = { toWords };
