'use strict';

const processRef = require('./process-ref.js');
const { engine } = require('./packet-reader.js');
const requests = require('./pending-requests.js');
const { nextTick } = require('../support/timers.js');

/** From this size on a payload is handed over where it lies, at once, instead of being copied first. */
const LARGE = 64 * 1024;
/** Space for numbers that is kept from one tick to the next. */
const KEPT_NUMBERS = 64 * 1024;
/** Copying space that is kept from one tick to the next. */
const KEPT_BYTES = 256 * 1024;
/** A packet with a text of this length is handed over at once. */
const FULL_TEXT = 1024 * 1024;
/** Strings that would make a text longer than this go by themselves, as bytes: V8's longest string has 512 Mi units. */
const LONGEST_TEXT = 64 * 1024 * 1024;

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
/** Numbers of the requests in this packet, in the first `askedCount` places. */
let asked = [];
let askedCount = 0;
/** Consumers with settled jobs, each once, so that one acknowledgement serves for all jobs settled in a tick. */
const settling = [];

/** The length of the packet in front of the unit that is being written, and the request of that unit; 0 for none. */
const mark = { count: 0, text: '', byteCount: 0, blobs: 0, request: 0 };
let isOpen = false;

/*
 * A unit is all that belongs to one request. It is in the packet whole or not at all: a unit that was begun and not ended,
 * because something threw in between, is taken back before the next one begins and before the packet is handed over.
 */

/** Begins a unit with an operation; its numbers, strings and payloads follow. */
function begin(operation) {
  if (isOpen) takeBack();
  if (!scheduled) schedule();
  isOpen = true;
  mark.count = count;
  mark.text = text;
  mark.byteCount = byteCount;
  mark.blobs = blobs.length;
  mark.request = 0;
  writeNumber(operation);
}

/** Ends a unit. Payloads that were not copied leave now, before their owner can change them. */
function end() {
  isOpen = false;
  if (mark.request !== 0) asked[askedCount++] = mark.request;
  if (blobs.length > 0 || text.length >= FULL_TEXT) flush();
}

function takeBack() {
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

/** Registers the request of this unit, and writes its number. @returns {number} that number */
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
  // Behind a string that ends with the first half of a pair, a second half would become one character with it.
  text += isSecondHalf(value.charCodeAt(0)) ? `\ufffd${value.slice(1)}` : value;
}

/** Whether a code unit is the second half of a surrogate pair; not so the NaN of an empty string. */
function isSecondHalf(unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** @param {string | Uint8Array} value bytes are taken as they are now, whatever happens to them later */
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

/** Settled jobs of `consumer` leave with this tick's packet; it is asked to write them. To be called once for them all. */
function settle(consumer) {
  if (!scheduled) schedule();
  settling.push(consumer);
}

/** Hands over what was collected. */
function flush() {
  scheduled = false;
  if (isOpen) takeBack();
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
    // Nothing of the packet was carried out. A promise that stays pending would be worse than one that is rejected.
    for (const asking of asked.slice(0, askedCount)) requests.fail(asking, error);
  }
  askedCount = 0;
  if (asked.length > KEPT_NUMBERS) asked = [];
  if (numbers.length > KEPT_NUMBERS) numbers = new Float64Array(KEPT_NUMBERS);
  if (bytes.length > KEPT_BYTES) bytes = Buffer.allocUnsafeSlow(KEPT_BYTES);
}

module.exports = { begin, writeRequest, writeNumber, writeString, writeWord, end, settle, flush };
