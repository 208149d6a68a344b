'use strict';

const { isAnyArrayBuffer } = require('node:util').types;
const { FAILED, attempt, read } = require('./guarded-read.js');

/** A name for bytes of any realm; null for other objects. */
function bytesName(value) {
  if (!ArrayBuffer.isView(value) && !isAnyArrayBuffer(value)) return null;
  const kind = attempt(kindOf, value);
  const length = read(value, 'byteLength');
  return `[${kind === FAILED ? 'Bytes' : kind}: ${typeof length === 'number' ? length : 'unknown'} bytes]`;
}

function kindOf(bytes) {
  return Buffer.isBuffer(bytes) ? 'Buffer' : Object.prototype.toString.call(bytes).slice('[object '.length, -1);
}

module.exports = { bytesName };
