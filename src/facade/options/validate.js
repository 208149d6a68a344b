'use strict';

/*
 * Validation of arguments. A missing value (`undefined`, `null`, and `NaN`, which `parseInt(process.env.X)` can return) means
 * the default. The error of an invalid value names the option.
 */

const isMissing = (value) => value === undefined || value === null || Number.isNaN(value);

/** Returns a number, also from a string of digits; `undefined` if missing. */
function toNumber(name, value) {
  if (isMissing(value)) return undefined;
  if (typeof value === 'string' && value.trim() !== '') {
    const number = Number(value);
    if (!Number.isNaN(number)) return number;
  }
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number`);
  return value;
}

/** Returns a whole number from `least` to `most`. Infinity is valid only if `endless`. */
function count(name, value, { least, most = Infinity, fallback, endless = false }) {
  const number = toNumber(name, value);
  if (number === undefined) return fallback;
  if (number < least || number > most || (number === Infinity && !endless)) {
    throw new RangeError(`${name} must be a whole number from ${least} ${most === Infinity ? 'on' : `to ${most}`}`);
  }
  return Math.floor(number);
}

/** Returns a time in ms. Infinity means no limit. */
function time(name, value, fallback) {
  const number = toNumber(name, value);
  if (number === undefined) return fallback;
  if (number < 0) throw new RangeError(`${name} must be a number of milliseconds from 0 on`);
  return number;
}

/** Returns a port from 1 to 65535. */
function port(what, value) {
  const number = toNumber(what, value);
  if (number !== undefined && !(Number.isInteger(number) && number >= 1 && number <= 65535)) {
    throw new RangeError(`${what} must be a whole number from 1 to 65535`);
  }
  return number;
}

/** Returns a timeout in ms; `undefined` for no limit. A negative timeout ends at once. */
function timeout(value) {
  return (value && toNumber('timeout', value)) || undefined;
}

/** Returns the text of any value that has one. */
function text(what, value) {
  if (typeof value === 'string') return value;
  try {
    return `${value}`;
  } catch {
    throw new TypeError(`${what} must be a string`);
  }
}

/** Returns a name from a string or a number. */
function name(what, value) {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string`);
  return value;
}

/** Returns a string; `undefined` if missing. */
function string(what, value) {
  return value === undefined || value === null ? undefined : name(what, value);
}

/** Returns names, each once; an empty array if missing. */
function names(what, value) {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new TypeError(`${what} must be an array of strings`);
  return [...new Set(value.map((one, index) => name(`${what}[${index}]`, one)))];
}

/** Returns an object of options; an empty one if missing. */
function object(what, value) {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object') throw new TypeError(`${what} must be an object`);
  return value;
}

/** Returns a function; `undefined` if missing. */
function callback(what, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'function') throw new TypeError(`${what} must be a function`);
  return value;
}

module.exports = { isMissing, toNumber, count, time, timeout, port, text, name, names, string, object, callback };
