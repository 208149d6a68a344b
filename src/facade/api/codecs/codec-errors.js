'use strict';

const { cutText } = require('../../support/cut-text.js');

/** Maximum length of the name of a codec that a value names. */
const LONGEST_NAME = 64;

/** Creates the error of a value whose codec is not there. */
function codecMissing(codec, key) {
  const name = cutText(String(codec), LONGEST_NAME, (text) => text.length);
  const message = `The value of '${key}' is encoded by the codec '${name}', which is not there: add it by useCodec()`;
  return withProperties(new Error(message), 'PAYLOAD_CODEC_MISSING', name, key);
}

/** Creates the error of a codec that has thrown, or has returned something else than bytes. */
function codecFailed(codec, key, action, cause) {
  const message = `The codec '${codec}' cannot ${action} the value of '${key}'`;
  return withProperties(new Error(message, { cause }), 'PAYLOAD_CODEC_FAILED', codec, key);
}

/** Creates the error of a value without a codec that is required. Another delivery would find the same value. */
function notCoded(codec, key) {
  const message = `The value of '${key}' is not encoded by the codec '${codec}', which is required`;
  return Object.assign(withProperties(new Error(message), 'PAYLOAD_NOT_CODED', codec, key), { retry: false });
}

function withProperties(error, code, codec, key) {
  return Object.assign(error, { code, codec, key });
}

module.exports = { codecFailed, codecMissing, notCoded };
