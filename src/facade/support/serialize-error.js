'use strict';

const { UNREADABLE, boundedCopy } = require('./bounded-copy.js');
const { cutText } = require('./cut-text.js');
const { read } = require('./guarded-read.js');

/** The most bytes of JSON that an error may take, as in the engine (`record.rs`). */
const LARGEST = 16 * 1024;
/** How many bytes of JSON each of these may take in an error that is cut. */
const KEPT = { name: 1024, message: 8192, code: 1024 };
/** How many bytes of the stack are kept, unless there is room for more. */
const LEAST_STACK = 1024;
/** How many bytes of the message its stack repeats where the message is cut. */
const REPEATED = 256;
/**
 * Limits of the first copy, by the least that values can take in JSON. An error that fits is copied whole, and of a larger one
 * there is enough to choose from.
 */
const SURVEY = { most: 8 * LARGEST, longest: LARGEST, items: LARGEST / 2, size: leastSizeOf };
/** Limits of the other values of a large error. The first ones with which all values fit count, or else the last ones. */
const LIMITS = [
  { longest: LARGEST, items: LARGEST / 2 },
  { longest: 4096, items: 100 },
  { longest: 1024, items: 30 },
  { longest: 256, items: 10 },
];

/**
 * The error of a job as it travels: JSON of at most 16 KiB that producers of 2.x read too. `toJSON` is not asked and
 * functions within are left out, as in 2.x; a BigInt becomes its digits, and bytes become their length; null, undefined and
 * symbols, which are no errors for 2.x, become one that says so. An error that is larger keeps its name, message and code,
 * and says `truncated`. Never throws: a job that failed must be reported whatever it failed with.
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

/** An error that is too large: its stack is cut first, then its other texts, then values that are nested deep. */
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

/** The texts that tell an error from others. */
function headOf(thrown) {
  const head = {};
  for (const [key, most] of Object.entries(KEPT)) {
    const value = read(thrown, key);
    if (typeof value === 'string') head[key] = cutText(value, most, sizeOf);
    else if (key === 'code' && typeof value === 'number') head[key] = value;
  }
  return head;
}

/** A stack that does not repeat a message which is too long. */
function traceOf(stack, message, kept) {
  if (message === kept || typeof message !== 'string') return stack;
  const at = stack.indexOf(message);
  if (at < 0) return stack;
  return stack.slice(0, at) + cutText(message, REPEATED, sizeOf) + stack.slice(at + message.length);
}

/** As much of a value as there is room for. */
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

/** How many bytes a value takes in JSON. */
function sizeOf(value) {
  return Buffer.byteLength(JSON.stringify(value) ?? '');
}

/** How many it takes at least, which takes no time to say. */
function leastSizeOf(value) {
  return typeof value === 'string' ? value.length + 2 : 1;
}

module.exports = { errorData };
