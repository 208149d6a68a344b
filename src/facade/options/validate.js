'use strict';

/*
 * Checks of what users pass in. What is missing or cannot be read (`undefined`, `null`, and `NaN`, which
 * `parseInt(process.env.X)` gives) means the default; what cannot work is refused by name.
 */

const isMissing = (value) => value === undefined || value === null || Number.isNaN(value);

/** A number as it is, or as a string of digits; missing is `undefined`. */
function toNumber(name, value) {
  if (isMissing(value)) return undefined;
  if (typeof value === 'string' && value.trim() !== '') {
    const number = Number(value);
    if (!Number.isNaN(number)) return number;
  }
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number`);
  return value;
}

/** How many of something: whole, from `least` to `most`; Infinity only where there can be no limit. */
function count(name, value, { least, most = Infinity, fallback, endless = false }) {
  const number = toNumber(name, value);
  if (number === undefined) return fallback;
  if (number < least || number > most || (number === Infinity && !endless)) {
    throw new RangeError(`${name} must be a whole number from ${least} ${most === Infinity ? 'on' : `to ${most}`}`);
  }
  return Math.floor(number);
}

/** A time in ms; Infinity is for ever. */
function time(name, value, fallback) {
  const number = toNumber(name, value);
  if (number === undefined) return fallback;
  if (number < 0) throw new RangeError(`${name} must be a number of milliseconds from 0 on`);
  return number;
}

/** The number of a port. */
function port(what, value) {
  const number = toNumber(what, value);
  if (number !== undefined && !(Number.isInteger(number) && number >= 1 && number <= 65535)) {
    throw new RangeError(`${what} must be a whole number from 1 to 65535`);
  }
  return number;
}

/** For how long to wait, in ms; undefined where that is for as long as it takes. What is negative is over at once. */
function timeout(value) {
  return (value && toNumber('timeout', value)) || undefined;
}

/** The text of anything that has one. */
function text(what, value) {
  if (typeof value === 'string') return value;
  try {
    return `${value}`;
  } catch {
    throw new TypeError(`${what} must be a string`);
  }
}

/** A name: anything that reads as one, but not nothing. */
function name(what, value) {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string`);
  return value;
}

/** A string, if there is one. */
function string(what, value) {
  return value === undefined || value === null ? undefined : name(what, value);
}

/** Names, each once; missing is none. */
function names(what, value) {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new TypeError(`${what} must be an array of strings`);
  return [...new Set(value.map((one, index) => name(`${what}[${index}]`, one)))];
}

/** An object of options; missing is one without any. */
function object(what, value) {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object') throw new TypeError(`${what} must be an object`);
  return value;
}

/** A function, if there is one. */
function callback(what, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'function') throw new TypeError(`${what} must be a function`);
  return value;
}

module.exports = { isMissing, toNumber, count, time, timeout, port, text, name, names, string, object, callback };
