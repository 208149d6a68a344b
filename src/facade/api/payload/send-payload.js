'use strict';

const { PayloadUse, SendFlag } = require('../../bridge/native.js');
const packetWriter = require('../../bridge/packet-writer.js');
const checks = require('../../options/validate.js');
const { copied } = require('./payload-values.js');

/** Limits of carried values, in bytes. */
const ASKED = { each: 1024, all: 4096 };
/** Limits without the option `carry` and without `capped`, which keep a stream without a cap small. */
const UNASKED = { each: 256, all: 256 };
/** Half of a surrogate pair, which UTF-8 does not have. */
const LONE_SURROGATE = /\p{Surrogate}/u;
/** Maximum size of the values of an entry that is their only copy, in bytes. */
const LARGEST_ENTRY = 1024 * 1024;

/** Payload values that leave with a job. */
class SendPayload {
  /**
   * @param {Array<{ key: string, value: string | Uint8Array, timeout: number, use: number }>} values
   * @param {string[]} returns keys that the completion returns
   * @param {boolean} isOnlyCopy true if the entry is the only copy of its values
   */
  constructor(values, returns, isOnlyCopy) {
    this.values = values;
    this.returns = returns;
    this.isOnlyCopy = isOnlyCopy;
  }

  get flags() {
    const { values, returns, isOnlyCopy } = this;
    return (
      (values.length > 0 ? SendFlag.Payload : 0) |
      (returns.length > 0 ? SendFlag.Returns : 0) |
      (isOnlyCopy ? SendFlag.OnlyCopy : 0)
    );
  }

  /** Returns the values that are written as keys. */
  get keys() {
    return this.values.filter(({ use }) => use !== PayloadUse.Carry);
  }

  /** Writes the values into the packet of a send. */
  write() {
    if (this.values.length > 0) {
      packetWriter.writeNumber(this.values.length);
      for (const { key, value, timeout, use } of this.values) {
        packetWriter.writeString(key);
        packetWriter.writeNumber(use);
        packetWriter.writeNumber(timeout);
        packetWriter.writeWord(value);
      }
    }
    if (this.returns.length > 0) packetWriter.writeString(listOf(this.returns));
  }

  /** Returns a copy. Later changes of bytes do not affect it. */
  copied() {
    const values = this.values.map((one) => ({ ...one, value: copied(one.value) }));
    return new SendPayload(values, this.returns, this.isOnlyCopy);
  }

  /** Returns a copy without the values that are written as keys only. Later changes of bytes do not affect it. */
  withoutKeys() {
    const carried = this.values.filter(({ use }) => use !== PayloadUse.Key);
    const values = carried.map(({ key, value }) => {
      return { key, value: copied(value), timeout: 0, use: PayloadUse.Carry };
    });
    return new SendPayload(values, this.returns, this.isOnlyCopy);
  }
}

/**
 * Chooses the payload of a send, without a change of the job.
 * @param {{ sets: Array<object>, pushed: Array<object> | null } | null} sendable values of the job, from `Job.sendable`
 * @param {{ carry: unknown, payload: unknown, returns: unknown }} options of `send()`
 * @param {{ isCapped: boolean, isAwaited: boolean }} about
 * @returns {SendPayload | null} `null` if only the job is sent
 */
function choosePayload(sendable, { carry, payload, returns }, { isCapped, isAwaited }) {
  const isPlain = carry === undefined && payload === undefined && returns === undefined;
  if (isPlain && sendable === null) return null;
  const names = checks.names('returns', returns);
  for (const name of names) if (LONE_SURROGATE.test(name)) throw notUtf8('returns', name);
  if (names.length > 0 && !isAwaited) throw new TypeError('returns needs waitFor');
  const isOnlyCopy = isEntryOnly(payload);
  const limits = limitsOf(carry, isCapped);
  const values = sendable === null ? [] : (isOnlyCopy ? entryValues : keyValues)(sendable, limits);
  if (values.length === 0 && names.length === 0 && !isOnlyCopy) return null;
  return new SendPayload(values, names, isOnlyCopy);
}

function isEntryOnly(payload) {
  if (payload === undefined || payload === null || payload === 'keys') return false;
  if (payload !== 'entry') throw new TypeError("payload must be 'keys' or 'entry'");
  return true;
}

/** Returns the limits of carried values and their keys; `null` carries none. */
function limitsOf(carry, isCapped) {
  if (carry === undefined || carry === null) return isCapped ? ASKED : UNASKED;
  if (carry === false) return null;
  if (carry === true) return ASKED;
  if (Array.isArray(carry)) return { ...ASKED, keys: new Set(checks.names('carry', carry)) };
  if (typeof carry !== 'object') throw new TypeError('carry must be a boolean, an array of strings or an object');
  const { keys, maxValueSize, maxTotalSize } = carry;
  return {
    each: checks.count('carry.maxValueSize', maxValueSize, { least: 0, fallback: ASKED.each }),
    all: checks.count('carry.maxTotalSize', maxTotalSize, { least: 0, fallback: ASKED.all }),
    ...(keys !== undefined && keys !== null && { keys: new Set(checks.names('carry.keys', keys)) }),
  };
}

/** Last list of keys that was written. Most sends have the same. */
let lastList = { keys: [], text: '[]' };

/** Returns keys as JSON. */
function listOf(keys) {
  const isLast = keys.length === lastList.keys.length && keys.every((key, at) => key === lastList.keys[at]);
  if (!isLast) lastList = { keys, text: JSON.stringify(keys) };
  return lastList.text;
}

/** Returns the last write of each key. */
function lastOf(writes) {
  return writes.length < 2 ? [...writes] : [...new Map(writes.map((one) => [one.key, one])).values()];
}

/** Returns all values for an entry that is their only copy. */
function entryValues({ sets, pushed }) {
  if (pushed !== null) throw new TypeError("payload: 'entry' needs values that were set and not pushed");
  const values = lastOf(sets).map(({ key, value, timeout }) => {
    if (LONE_SURROGATE.test(key)) throw notUtf8("payload: 'entry'", key);
    if (timeout > 0) throw new TypeError(`payload: 'entry' cannot keep the timeout of '${key}'`);
    return { key, value, timeout: 0, use: PayloadUse.Carry };
  });
  const size = values.reduce((sum, { value }) => sum + Buffer.byteLength(value), 0);
  if (size > LARGEST_ENTRY) throw new RangeError(`payload: 'entry' takes at most ${LARGEST_ENTRY} bytes`);
  return values;
}

/** Returns the values to write as keys and those to carry. A value that expires is not carried. */
function keyValues({ sets, pushed }, limits) {
  const values = sets.map(({ key, value, timeout }) => ({ key, value, timeout, use: PayloadUse.Key }));
  if (limits === null) return values;
  const last = lastOf(values);
  let size = 0;
  const fits = (key, value) => {
    if ((limits.keys && !limits.keys.has(key)) || LONE_SURROGATE.test(key)) return false;
    // A string has at least one byte per unit.
    if (value.length > limits.each) return false;
    const length = Buffer.byteLength(value);
    if (length > limits.each || size + length > limits.all) return false;
    size += length;
    return true;
  };
  for (const { key, value } of lastOf(pushed ?? [])) {
    const isSet = last.some((one) => one.key === key);
    if (value !== null && !isSet && fits(key, value)) values.push({ key, value, timeout: 0, use: PayloadUse.Carry });
  }
  for (const one of last) {
    if (one.timeout === 0 && fits(one.key, one.value)) one.use = PayloadUse.KeyAndCarry;
  }
  return values;
}

/** Creates the error of a key that Redis would store under another name. */
function notUtf8(what, key) {
  return new TypeError(`${what} cannot take the key ${JSON.stringify(key)}, which has half of a surrogate pair`);
}

module.exports = { choosePayload };
