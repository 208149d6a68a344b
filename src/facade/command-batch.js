'use strict';

const native = require('./native.js');
const keepAlive = require('./keep-alive.js');

/** From this size on a payload is handed over where it lies, at once, instead of being copied first. */
const LARGE = 64 * 1024;
/** What is kept of the space for numbers from one tick to the next. */
const KEPT_NUMBERS = 64 * 1024;
/** What is kept of the copying space from one tick to the next. */
const KEPT_BYTES = 256 * 1024;

/*
 * Everything that jobs ask for in one tick, handed to the engine in one call. Numbers, one string that all strings
 * are joined into, small payloads joined into one buffer, and large ones as they are.
 */
let numbers = new Float64Array(1024);
let count = 0;
let text = '';
let bytes = Buffer.allocUnsafeSlow(KEPT_BYTES);
let byteCount = 0;
let blobs = [];
let scheduled = false;
/** Consumers with settled jobs, each once, so that one acknowledgement serves for all jobs settled in a tick. */
const settling = [];

/** Starts an operation; its numbers, strings and payloads follow. */
function begin(operation) {
  if (!scheduled) {
    scheduled = true;
    process.nextTick(flush);
  }
  number(operation);
}

function number(value) {
  if (count === numbers.length) {
    const larger = new Float64Array(numbers.length * 2);
    larger.set(numbers);
    numbers = larger;
  }
  numbers[count++] = value;
}

function string(value) {
  number(value.length);
  // Behind a string that ends with the first half of a pair, a second half would become one character with it.
  text += isSecondHalf(value.charCodeAt(0)) ? `\ufffd${value.slice(1)}` : value;
}

/** Whether a code unit is the second half of a surrogate pair; not so the NaN of an empty string. */
function isSecondHalf(unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** @param {string | Uint8Array} value bytes are taken as they are now, whatever happens to them later */
function word(value) {
  if (typeof value === 'string') {
    string(value);
  } else if (value.length >= LARGE) {
    number(-1);
    blobs.push(value);
  } else {
    number(-2 - value.length);
    reserve(value.length);
    bytes.set(value, byteCount);
    byteCount += value.length;
  }
}

function reserve(length) {
  if (byteCount + length <= bytes.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(bytes.length * 2, byteCount + length));
  bytes.copy(larger, 0, 0, byteCount);
  bytes = larger;
}

/** Ends an operation. Payloads that were not copied leave now, before their owner can change them. */
function end() {
  if (blobs.length > 0) flush();
}

/** Settled jobs of `consumer` leave with this tick's packet; it is asked to write them. To be called once for them all. */
function settle(consumer) {
  if (!scheduled) {
    scheduled = true;
    process.nextTick(flush);
  }
  settling.push(consumer);
}

/** Hands over what was collected. */
function flush() {
  scheduled = false;
  for (const consumer of settling) consumer.writeSettled();
  settling.length = 0;
  if (count === 0) return;
  const taken = { count, text, byteCount, blobs };
  count = 0;
  text = '';
  byteCount = 0;
  if (blobs.length > 0) blobs = [];
  keepAlive.links(native.submit(numbers, taken.count, taken.text, bytes, taken.byteCount, taken.blobs));
  if (numbers.length > KEPT_NUMBERS) numbers = new Float64Array(KEPT_NUMBERS);
  if (bytes.length > KEPT_BYTES) bytes = Buffer.allocUnsafeSlow(KEPT_BYTES);
}

module.exports = { begin, number, string, word, end, settle, flush };
