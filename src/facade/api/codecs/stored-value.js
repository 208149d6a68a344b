'use strict';

const { codecMissing } = require('./codec-errors.js');
const { codecOfText, isCoded, unwrap } = require('./coded-value.js');

/**
 * Returns a stored value as a job reads it: its bytes, or the parsed JSON.
 *
 * @param {string | Buffer} stored
 * @param {string} key
 * @param {boolean} asBuffer
 * @param {import('./value-codecs.js').ValueCodecs | null | undefined} codecs
 * @param {string} jobId
 * @throws an error with a code for a value that cannot be decoded
 */
function readStored(stored, key, asBuffer, codecs, jobId) {
  if (codecs) {
    const bytes = codecs.decode(jobId, key, asBytes(stored));
    return asBuffer ? bytes : parsed(bytes.toString(), key);
  }
  if (!asBuffer) return parsed(stored.toString(), key);
  const bytes = asBytes(stored);
  if (isCoded(bytes)) throw codecMissing(unwrap(bytes).name, key);
  return bytes;
}

/** Parses JSON. A SyntaxError is returned, not thrown, so that the other keys are read. */
function parsed(text, key) {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    const codec = codecOfText(text);
    if (codec !== null) throw codecMissing(codec, key);
    return error;
  }
}

function asBytes(stored) {
  return typeof stored === 'string' ? Buffer.from(stored) : stored;
}

module.exports = { readStored };
