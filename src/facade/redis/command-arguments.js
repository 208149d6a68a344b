'use strict';

/** Commands that take fields and values of an object or a Map, and how many words come before it. */
const FIELDS_FROM = { mset: 0, msetnx: 0, hset: 1, hmset: 1 };

/**
 * The words of a command as ioredis has them: arrays give their elements, `null` and `undefined` are nothing, numbers
 * and whatever else has a text of its own are that text. Bytes are bytes.
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

/** Whether it is an object whose fields are what matters; it has no text of its own then. */
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

/** Dates, URLs and the like; an array within an array, or an object, would only give its kind. */
function hasText(value) {
  return !Array.isArray(value) && typeof value.toString === 'function' && value.toString !== Object.prototype.toString;
}

function describe(value) {
  if (typeof value === 'symbol') return 'a symbol';
  if (typeof value === 'function') return 'a function: what comes of a command comes by its promise';
  return Array.isArray(value) ? 'an array within an array' : 'an object';
}

module.exports = { toWords };
