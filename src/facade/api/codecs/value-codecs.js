'use strict';

const { isUint8Array } = require('node:util').types;
const checks = require('../../options/validate.js');
const { codecFailed, codecMissing, notCoded } = require('./codec-errors.js');
const { NAME, PLAIN, isCoded, unwrap, wrap } = require('./coded-value.js');

/** Maximum number of codecs that one value can have. */
const MOST_LAYERS = 16;

/** Codecs for the values of jobs of a producer or a consumer. */
class ValueCodecs {
  #codecs = new Map();
  /** Connection of jobs whose values are encoded, and the one that it was made from. */
  #client = null;
  #shared = null;

  /** Adds a codec. Values are encoded by the codecs in the order of their addition. */
  add(codec, options) {
    const { name, encode, decode } = checks.object('codec', codec);
    if (typeof name !== 'string' || !NAME.test(name)) {
      throw new TypeError('codec.name must have 1 to 32 letters, digits, dots, hyphens or underscores');
    }
    if (typeof encode !== 'function') throw new TypeError('codec.encode must be a function');
    if (typeof decode !== 'function') throw new TypeError('codec.decode must be a function');
    if (this.#codecs.has(name)) throw new TypeError(`A codec '${name}' is there already`);
    const { keys, encode: encodes, required } = checks.object('options', options);
    const own = keys === undefined || keys === null ? null : new Set(checks.names('keys', keys));
    this.#codecs.set(name, {
      codec,
      isFor: (key) => own === null || own.has(key),
      encodes: encodes !== false,
      isRequired: Boolean(required),
    });
  }

  /** Returns the connection for jobs whose values are encoded. */
  clientOf(shared) {
    if (this.#shared !== shared) {
      this.#shared = shared;
      this.#client = shared.withCodecs(this);
    }
    return this.#client;
  }

  /**
   * Encodes a value.
   * @param {string} jobId
   * @param {string} key
   * @param {string | Uint8Array} value stored form without codecs
   * @returns {string | Uint8Array} stored form
   */
  encode(jobId, key, value) {
    let encoded = value;
    for (const [name, { codec, isFor, encodes }] of this.#codecs) {
      if (!encodes || !isFor(key)) continue;
      const bytes = call(codec, 'encode', asBuffer(encoded), { jobId, key });
      if (bytes !== null && bytes !== undefined) encoded = wrap(name, bytes);
    }
    // A value that only looks like an encoded one.
    return encoded === value && typeof value !== 'string' && isCoded(value) ? wrap(PLAIN, value) : encoded;
  }

  /**
   * Decodes a value.
   * @param {Buffer} stored
   * @returns {Buffer} stored form without codecs
   */
  decode(jobId, key, stored) {
    const seen = new Set();
    let value = stored;
    while (isCoded(value)) {
      const { name, content } = unwrap(value);
      value = content;
      if (name === PLAIN) break;
      const found = this.#codecs.get(name);
      if (found === undefined) throw codecMissing(name, key);
      if (seen.size === MOST_LAYERS || seen.has(name)) throw codecFailed(name, key, 'decode');
      seen.add(name);
      value = asBuffer(call(found.codec, 'decode', content, { jobId, key }));
    }
    for (const [name, { isFor, isRequired }] of this.#codecs) {
      if (isRequired && isFor(key) && !seen.has(name)) throw notCoded(name, key);
    }
    return value;
  }
}

/** Calls a function of a codec. Its exception, and a result that is not bytes, have a code. */
function call(codec, action, bytes, context) {
  let result;
  try {
    result = codec[action](bytes, context);
  } catch (error) {
    throw codecFailed(codec.name, context.key, action, error);
  }
  const isNothing = action === 'encode' && (result === null || result === undefined);
  if (isNothing || isUint8Array(result)) return result;
  throw codecFailed(codec.name, context.key, action, new TypeError('The result must be bytes'));
}

/** Returns a text or bytes as a Buffer, which shares the memory of bytes. */
function asBuffer(value) {
  if (typeof value === 'string') return Buffer.from(value);
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

module.exports = { ValueCodecs };
