'use strict';

const { UNREADABLE, boundedCopy } = require('./bounded-copy.js');
const { cutText } = require('./cut-text.js');
const { read } = require('./guarded-read.js');

/** Maximum size of an error in JSON, in bytes, as in the engine (`outcome_record.rs`). */
const LARGEST = 16 * 1024;
/** Maximum size of each property in an error that is cut, in bytes of JSON. */
const KEPT = { name: 1024, message: 8192, code: 1024 };
/** Minimum size of a cut stack, in bytes of JSON. */
const LEAST_STACK = 1024;
/** Maximum size of the message within the stack if the message is cut, in bytes of JSON. */
const REPEATED = 256;
/**
 * Limits of the first copy, by the minimum size of values in JSON. An error that fits is copied whole. The copy of a larger one
 * holds enough values to choose from.
 */
const SURVEY = { most: 8 * LARGEST, longest: LARGEST, items: LARGEST / 2, size: leastSizeOf };
/** Limits of the other values of a large error. The first limits with which all values fit apply, or else the last. */
const LIMITS = [
  { longest: LARGEST, items: LARGEST / 2 },
  { longest: 4096, items: 100 },
  { longest: 1024, items: 30 },
  { longest: 256, items: 10 },
];

/**
 * Serializes the error of a job: JSON of at most 16 KiB that producers of 2.x can read. `toJSON` is not called and functions
 * are left out, as in 2.x. A BigInt becomes its digits, and bytes become their length. null, undefined and symbols become an
 * error, since 2.x does not take them for one. A larger error keeps its name, message and code, and gets `truncated`. Never
 * throws: every failure must be reported.
 * @returns {string}
 */
function errorData(thrown) {
  try {
    return typeof thrown === 'object' && thrown !== null ? objectData(thrown) : primitiveData(thrown);
  } catch {
    return JSON.stringify({ name: 'Error', message: 'The job was rejected with an error that cannot be read' });
  }
}

function primitiveData(thrown) {
  switch (typeof thrown) {
    case 'number':
    case 'boolean':
      return JSON.stringify(thrown);
    case 'function':
      return textData(`[Function: ${thrown.name || 'anonymous'}]`);
    case 'string':
    case 'bigint':
      return textData(String(thrown));
    default:
      return JSON.stringify({
        name: 'Error',
        message: cutText(`The job was rejected with ${String(thrown)}`, KEPT.message, sizeOf),
      });
  }
}

function textData(text) {
  return JSON.stringify(cutText(text, LARGEST, sizeOf));
}

function objectData(thrown) {
  const { copy, isWhole } = boundedCopy(thrown, SURVEY);
  if (copy === UNREADABLE) throw new TypeError('Nothing of the error can be read');
  const json = JSON.stringify(copy);
  if (isWhole && isSmall(json)) return json;
  return JSON.stringify(Array.isArray(copy) ? fit(copy, LARGEST).copy : cutDown(thrown, copy));
}

/** Cuts an error that is too large: first its stack, then its other texts, then nested values. */
function cutDown(thrown, copy) {
  const head = headOf(thrown);
  const stack = read(thrown, 'stack');
  const trace = typeof stack === 'string' ? traceOf(stack, read(thrown, 'message'), head.message) : undefined;
  if (trace !== undefined) head.stack = cutText(trace, LEAST_STACK, sizeOf);
  head.truncated = true;
  const others = Object.fromEntries(Object.entries(copy).filter(([key]) => !Object.hasOwn(head, key)));
  const fitted = fit(others, LARGEST - sizeOf(head));
  if (trace !== undefined) head.stack = cutText(trace, sizeOf(head.stack) + fitted.left, sizeOf);
  return { ...head, ...fitted.copy };
}

/** Returns name, message and code of an error. */
function headOf(thrown) {
  const head = {};
  for (const [key, most] of Object.entries(KEPT)) {
    const value = read(thrown, key);
    if (typeof value === 'string') head[key] = cutText(value, most, sizeOf);
    else if (key === 'code' && typeof value === 'number') head[key] = value;
  }
  return head;
}

/** Returns the stack, in which a message that is too long is cut. */
function traceOf(stack, message, kept) {
  if (message === kept || typeof message !== 'string') return stack;
  const at = stack.indexOf(message);
  if (at < 0) return stack;
  return stack.slice(0, at) + cutText(message, REPEATED, sizeOf) + stack.slice(at + message.length);
}

/** Copies as much of a value as fits. */
function fit(value, most) {
  let fitted;
  for (const limits of LIMITS) {
    fitted = boundedCopy(value, { ...limits, most, size: sizeOf });
    if (!fitted.isFull) break;
  }
  return fitted;
}

function isSmall(json) {
  // No character takes more than three bytes for each of its units.
  return json.length * 3 <= LARGEST || Buffer.byteLength(json) <= LARGEST;
}

/** Returns the size of a value in JSON, in bytes. */
function sizeOf(value) {
  return Buffer.byteLength(JSON.stringify(value) ?? '');
}

/** Returns the minimum size of a value in JSON, in constant time. */
function leastSizeOf(value) {
  return typeof value === 'string' ? value.length + 2 : 1;
}

module.exports = { errorData };
