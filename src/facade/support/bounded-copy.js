'use strict';

const { bytesName } = require('./bytes-name.js');
const { TRUNCATED, cutText } = require('./cut-text.js');
const { FAILED, attempt, read } = require('./guarded-read.js');

/** Properties of an error that are copied although they are not enumerable, in the order of 2.x. */
const COMMON = ['name', 'message', 'stack', 'code'];

/** Marks a value that throws when it is read. */
const UNREADABLE = '[Unreadable]';
/** Marks an object within itself, as in 2.x. */
const CIRCULAR = '[Circular]';

/** Maximum length of a property's name. A property with a longer name is left out. */
const LONGEST_NAME = 1024;
/** Minimum size that a property must leave for its value: a number, or one of the markers. */
const LEAST = 64;
/** Maximum number of properties that are read of an indexed object. */
const INDICES = 8192;
/** Maximum depth of nested objects, since JSON.stringify() is recursive. */
const DEEPEST = 500;

/**
 * Copies an object into plain objects, arrays and primitive values, as far as the copy fits. Values near the top are copied
 * before nested ones, so that one large value does not displace all others. Objects that do not fit are not read, which
 * bounds the work.
 *
 * Functions are left out. Bytes are replaced by their description. Never throws: each read of a property is guarded.
 * @param {object} source
 * @param {object} limits
 * @param {number} limits.most maximum size of the whole copy
 * @param {number} limits.longest maximum size of a text
 * @param {number} limits.items maximum number of elements of an array
 * @param {(value: unknown) => number} limits.size returns the size of a primitive value
 * @returns {{ copy: unknown, isWhole: boolean, isFull: boolean, left: number }} `isFull` is true if `most`
 *   was reached; `left` is the size that was not used
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
  /** Size of the marker that replaces an object until it is copied. */
  #reserve;
  /** Objects to copy, ordered by depth. `holder[key]` takes the copy; `parent` contains the object. */
  #places = [];
  isWhole = true;
  isFull = false;

  constructor(limits) {
    this.left = limits.most;
    this.#limits = limits;
    this.#reserve = limits.size(TRUNCATED);
  }

  run() {
    // The list grows during the loop.
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

  /** @returns {object | string | null} null if none of its values fits */
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

  /** Returns true if the name of a property is too long. */
  #isOdd(key) {
    if (key.length <= LONGEST_NAME) return false;
    this.isWhole = false;
    return true;
  }

  /** Returns the names of an object's own properties, or `null` if they cannot be read. */
  #keys(source) {
    // Object.keys() takes seconds for a long String object, or for a proxy of bytes.
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

  /** Reserves the size of a property's name, if its value fits as well. */
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

/** Returns true for a value that JSON leaves out. */
function isLeftOut(value) {
  return typeof value === 'function' || value === undefined || (typeof value === 'symbol' && value !== FAILED);
}

/** Returns true if an object seems to have a property for each index. Four indices are checked. */
function isIndexed(object) {
  return [INDICES, INDICES - 1, 1, 0].every((index) => Object.hasOwn(object, index));
}

/** Returns true if an object is one of its own parents. */
function isWithin(value, parent) {
  for (let place = parent; place !== null; place = place.parent) if (place.source === value) return true;
  return false;
}

/** Sets an own property, also with the name `__proto__`. */
function define(target, key, value) {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: true });
  } else {
    target[key] = value;
  }
}

module.exports = { UNREADABLE, boundedCopy };
