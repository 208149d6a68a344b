'use strict';

const { bytesName } = require('./bytes-name.js');
const { TRUNCATED, cutText } = require('./cut-text.js');
const { FAILED, attempt, read } = require('./guarded-read.js');

/** Texts that an error has although they are not enumerable, in the order in which 2.x wrote them. */
const COMMON = ['name', 'message', 'stack', 'code'];

/** Stands for a value that throws when it is read. */
const UNREADABLE = '[Unreadable]';
/** Stands for an object within itself, as in 2.x. */
const CIRCULAR = '[Circular]';

/** A property whose name is longer is left out. */
const LONGEST_NAME = 1024;
/** Room that a property must leave for its value: for a number, or for one of the markers. */
const LEAST = 64;
/** How many properties are looked at of an object that has as many numbers as their names. */
const INDICES = 8192;
/** Objects that are nested deeper are not copied, since JSON is written by recursion. */
const DEEPEST = 500;

/**
 * Copies an object into plain objects, arrays and primitive values, as far as the copy fits. Values near the top go before
 * those further down, so that one large value does not take the room of all others. The work is bounded as the size is:
 * objects that do not fit are not read.
 *
 * Functions are left out, and bytes are named instead of copied. Never throws: each property is read by itself.
 * @param {object} source
 * @param {object} limits
 * @param {number} limits.most the size of the whole copy
 * @param {number} limits.longest the size of a text within it
 * @param {number} limits.items how many elements of an array are copied
 * @param {(value: unknown) => number} limits.size the size of a primitive value
 * @returns {{ copy: unknown, isWhole: boolean, isFull: boolean, left: number }} `isFull` is whether something was left out
 *   or cut because `most` was reached, `left` the room that was not used
 */
function boundedCopy(source, limits) {
  const copying = new Copying(limits);
  const holder = {};
  copying.put(holder, 'copy', source, null);
  copying.run();
  const { isWhole, isFull, left } = copying;
  return { copy: holder.copy, isWhole: isWhole && !isFull, isFull, left };
}

class Copying {
  #limits;
  /** The size of the marker that holds the place of an object until it is copied. */
  #reserve;
  /** Objects to be copied, in the order of their depth: `holder[key]` is for the copy, `parent` is the object around it. */
  #places = [];
  isWhole = true;
  isFull = false;

  constructor(limits) {
    this.left = limits.most;
    this.#limits = limits;
    this.#reserve = limits.size(TRUNCATED);
  }

  run() {
    // The list grows while it is gone through.
    for (const place of this.#places) {
      if (!this.#takes(0)) return;
      const copy = this.#copy(place);
      if (copy !== null) {
        place.holder[place.key] = copy;
        this.left += this.#reserve - 2;
      }
    }
  }

  put(holder, key, value, parent) {
    if (value === null || typeof value !== 'object') {
      define(holder, key, this.#primitive(value));
      return;
    }
    const marker = bytesName(value) ?? (isWithin(value, parent) ? CIRCULAR : null);
    if (marker !== null) {
      define(holder, key, this.#primitive(marker));
      return;
    }
    this.left -= this.#reserve;
    define(holder, key, TRUNCATED);
    const depth = parent === null ? 0 : parent.depth + 1;
    if (depth > DEEPEST) this.isWhole = false;
    else this.#places.push({ source: value, holder, key, parent, depth });
  }

  /** @returns {object | string | null} null if there is no room for any of its values */
  #copy(place) {
    const isArray = attempt(Array.isArray, place.source);
    if (isArray === FAILED) return UNREADABLE;
    return isArray ? this.#list(place) : this.#record(place);
  }

  #list(place) {
    const { source } = place;
    const length = read(source, 'length');
    const target = [];
    for (let index = 0; index < length; index++) {
      const isBeyond = index === this.#limits.items;
      if (isBeyond || !this.#takes(1)) {
        if (isBeyond) this.isWhole = false;
        if (index === 0) return null;
        target.push(TRUNCATED);
        break;
      }
      const value = read(source, index);
      this.put(target, index, isLeftOut(value) ? null : readable(value), place);
    }
    return target;
  }

  #record(place) {
    const { source } = place;
    const keys = this.#keys(source);
    const target = {};
    let count = 0;
    let isShort = false;
    for (const key of keys ?? []) {
      const value = read(source, key);
      if (isLeftOut(value) || this.#isOdd(key)) continue;
      isShort = !this.#takes(this.#limits.size(key) + 2);
      if (isShort) break;
      this.put(target, key, readable(value), place);
      count++;
    }
    for (const key of COMMON) {
      const value = Object.hasOwn(target, key) ? undefined : read(source, key);
      if (typeof value !== 'string' || !this.#takes(this.#limits.size(key) + 2)) continue;
      define(target, key, this.#primitive(value));
      count++;
    }
    if (count > 0) return target;
    if (keys === null) return UNREADABLE;
    return isShort ? null : target;
  }

  /** Whether the name of a property is too long to be copied. */
  #isOdd(key) {
    if (key.length <= LONGEST_NAME) return false;
    this.isWhole = false;
    return true;
  }

  /** The names of an object's own properties; null if they cannot be read. */
  #keys(source) {
    // To list the names of a long text's characters, or of the bytes behind a proxy, takes seconds.
    const isLong = attempt(isIndexed, source) === true;
    const keys = isLong ? Array.from({ length: INDICES }, (_, index) => `${index}`) : attempt(Object.keys, source);
    if (isLong || keys === FAILED) this.isWhole = false;
    return keys === FAILED ? null : keys;
  }

  #primitive(value) {
    const { size, longest } = this.#limits;
    if (typeof value !== 'string' && typeof value !== 'bigint') {
      this.left -= size(value);
      return value;
    }
    const text = String(value);
    const short = cutText(text, Math.min(longest, this.left), size);
    if (short !== text) {
      this.isWhole = false;
      this.isFull ||= longest > this.left;
    }
    this.left -= size(short);
    return short;
  }

  /** Takes room for the name of a property, if there is some for its value as well. */
  #takes(room) {
    if (this.left < room + LEAST) {
      this.isFull = true;
      return false;
    }
    this.left -= room;
    return true;
  }
}

function readable(value) {
  return value === FAILED ? UNREADABLE : value;
}

/** Whether JSON has no word for a value. */
function isLeftOut(value) {
  return typeof value === 'function' || value === undefined || (typeof value === 'symbol' && value !== FAILED);
}

/** Whether an object has a property for each of many numbers, as far as four of them show that. */
function isIndexed(object) {
  return [INDICES, INDICES - 1, 1, 0].every((index) => Object.hasOwn(object, index));
}

/** Whether an object is one of those around it. */
function isWithin(value, parent) {
  for (let place = parent; place !== null; place = place.parent) if (place.source === value) return true;
  return false;
}

/** Assigns, whatever the key is called. */
function define(target, key, value) {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: true });
  } else {
    target[key] = value;
  }
}

module.exports = { UNREADABLE, boundedCopy };
