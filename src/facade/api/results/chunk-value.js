'use strict';

const { copied, encode } = require('../payload/payload-values.js');
const { readStored } = require('../codecs/stored-value.js');

/** Payload key by which codecs know the values of chunks. */
const KEY = 'chunk';

/**
 * Encodes the value of a chunk, as `job.set()` does. Later changes of bytes do not affect it.
 * @returns {{ kind: string, value: string | Uint8Array }}
 */
function encodeChunk(jobId, given, codecs) {
  const value = encode(KEY, given);
  const kind = typeof value === 'string' ? 'json' : 'bytes';
  return { kind, value: copied(codecs ? codecs.encode(jobId, KEY, value) : value) };
}

/** Returns the value of a chunk: bytes for bytes, and the parsed JSON otherwise. */
function decodeChunk(jobId, { kind, value }, codecs) {
  const read = readStored(value, KEY, kind === 'bytes', codecs, jobId);
  // JSON has no errors: it is the one of a value that is no JSON.
  if (read instanceof SyntaxError) throw read;
  return read;
}

module.exports = { decodeChunk, encodeChunk };
