'use strict';

const processRef = require('./process-ref.js');
const { engine } = require('./packet-reader.js');
const requests = require('./pending-requests.js');
const { nextTick } = require('../support/timers.js');

/** Minimum size of a payload that is passed by reference, and submitted at once, in bytes. */
const LARGE = 64 * 1024;
/** Maximum count of numbers in the buffer that is kept between ticks. */
const KEPT_NUMBERS = 64 * 1024;
/** Maximum size of the copy buffer that is kept between ticks, in bytes. */
const KEPT_BYTES = 256 * 1024;
/** Length of a text from which a packet is submitted at once. */
const FULL_TEXT = 1024 * 1024;
/** Maximum length of a text. Further strings are passed as bytes: V8's longest string has 512 Mi units. */
const LONGEST_TEXT = 64 * 1024 * 1024;

/*
 * Packet of one tick, submitted to the engine in one call: numbers, one string that joins all strings, one buffer that joins
 * small payloads, and large payloads by reference.
 */
let numbers = new Float64Array(1024);
let count = 0;
let text = '';
let bytes = Buffer.allocUnsafeSlow(KEPT_BYTES);
let byteCount = 0;
let blobs = [];
let scheduled = false;
/** Numbers of the requests in this packet, in the first `askedCount` elements. */
let asked = [];
let askedCount = 0;
/** Consumers with settled jobs, each once, so that one acknowledgement covers all jobs settled in a tick. */
const settling = [];

/** Length of the packet before the open unit, and the request of that unit; 0 for none. */
const mark = { count: 0, text: '', byteCount: 0, blobs: 0, request: 0 };
let isOpen = false;

/*
 * A unit is one complete request. A packet contains whole units only: a unit that was not ended because of an exception is
 * removed before the next unit begins, and before the packet is submitted.
 */

/** Begins a unit with its operation. Its numbers, strings and payloads follow. */
function begin(operation) {
  if (isOpen) rollBack();
  if (!scheduled) schedule();
  isOpen = true;
  mark.count = count;
  mark.text = text;
  mark.byteCount = byteCount;
  mark.blobs = blobs.length;
  mark.request = 0;
  writeNumber(operation);
}

/** Ends a unit. Payloads by reference are submitted now, before their owner can change them. */
function end() {
  isOpen = false;
  if (mark.request !== 0) asked[askedCount++] = mark.request;
  if (blobs.length > 0 || text.length >= FULL_TEXT) flush();
}

function rollBack() {
  isOpen = false;
  count = mark.count;
  text = mark.text;
  byteCount = mark.byteCount;
  blobs.length = mark.blobs;
  if (mark.request !== 0) requests.cancel(mark.request);
}

function schedule() {
  scheduled = true;
  nextTick(flush);
}

/** Registers the request of this unit and writes its number. @returns {number} number of the request */
function writeRequest(asking) {
  mark.request = requests.add(asking);
  writeNumber(mark.request);
  return mark.request;
}

function writeNumber(value) {
  if (count === numbers.length) {
    const larger = new Float64Array(numbers.length * 2);
    larger.set(numbers);
    numbers = larger;
  }
  numbers[count++] = value;
}

function writeString(value) {
  if (text.length + value.length > LONGEST_TEXT) {
    writeBlob(Buffer.from(value));
    return;
  }
  writeNumber(value.length);
  // A leading second half would form one character with a first half at the end of the previous string.
  text += isSecondHalf(value.charCodeAt(0)) ? `\ufffd${value.slice(1)}` : value;
}

/** Returns true if a code unit is the second half of a surrogate pair; false for NaN, from an empty string. */
function isSecondHalf(unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** @param {string | Uint8Array} value bytes, which are copied or submitted before they can change, or a string */
function writeWord(value) {
  if (typeof value === 'string') {
    writeString(value);
  } else if (value.length >= LARGE) {
    writeBlob(value);
  } else {
    writeNumber(-2 - value.length);
    reserve(value.length);
    bytes.set(value, byteCount);
    byteCount += value.length;
  }
}

function writeBlob(value) {
  writeNumber(-1);
  blobs.push(value);
}

function reserve(length) {
  if (byteCount + length <= bytes.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(bytes.length * 2, byteCount + length));
  bytes.copy(larger, 0, 0, byteCount);
  bytes = larger;
}

/** Schedules the settled jobs of `consumer` for the packet of this tick. Call it once per tick and consumer. */
function settle(consumer) {
  if (!scheduled) schedule();
  settling.push(consumer);
}

/** Submits the packet. */
function flush() {
  scheduled = false;
  if (isOpen) rollBack();
  for (const consumer of settling) consumer.writeSettled();
  settling.length = 0;
  if (count === 0) return;
  const taken = { count, text, byteCount, blobs };
  count = 0;
  text = '';
  mark.text = '';
  byteCount = 0;
  if (blobs.length > 0) blobs = [];
  try {
    processRef.setOpenLinks(engine.submit(numbers, taken.count, taken.text, bytes, taken.byteCount, taken.blobs));
  } catch (error) {
    // The engine has executed nothing of the packet, so all of its promises must reject.
    for (const asking of asked.slice(0, askedCount)) requests.fail(asking, error);
  }
  askedCount = 0;
  if (asked.length > KEPT_NUMBERS) asked = [];
  if (numbers.length > KEPT_NUMBERS) numbers = new Float64Array(KEPT_NUMBERS);
  if (bytes.length > KEPT_BYTES) bytes = Buffer.allocUnsafeSlow(KEPT_BYTES);
}

module.exports = { begin, writeRequest, writeNumber, writeString, writeWord, end, settle, flush };
