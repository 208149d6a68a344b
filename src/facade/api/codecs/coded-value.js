'use strict';

/*
 * Form of a value that a codec has encoded: a mark, the name of the codec, a zero byte and the encoded bytes. The mark is in
 * the value and not in the entry, since a value outlives its entry, and since a group of 2.x can set plain values for the job.
 * JSON never begins with a zero byte.
 */

/** Beginning of an encoded value. */
const MARK = '\0hfxbus:';
const MARK_BYTES = Buffer.from(MARK);
/** Name in the form of a plain value that begins like an encoded one. */
const PLAIN = '';
/** Names of codecs. */
const NAME = /^[\w.-]{1,32}$/;
/** Maximum length of what precedes the encoded bytes. */
const LONGEST_HEAD = MARK.length + 33;

/** Returns true if bytes have the form of an encoded value. */
function isCoded(bytes) {
  return bytes[0] === 0 && bytes.length >= MARK_BYTES.length && !MARK_BYTES.compare(bytes, 0, MARK_BYTES.length);
}

/** Returns the name of the codec of a text that was read from an encoded value; `null` for other texts. */
function codecOfText(text) {
  return text.startsWith(MARK) ? text.slice(MARK.length, text.indexOf('\0', MARK.length)).slice(0, LONGEST_HEAD) : null;
}

/** Returns the form of an encoded value. */
function wrap(name, bytes) {
  return Buffer.concat([Buffer.from(`${MARK}${name}\0`), bytes]);
}

/** Returns the name of the codec of an encoded value, and the encoded bytes. */
function unwrap(coded) {
  const end = coded.subarray(0, LONGEST_HEAD).indexOf(0, MARK.length);
  if (end < 0) return { name: null, content: coded };
  return { name: coded.toString('latin1', MARK.length, end), content: coded.subarray(end + 1) };
}

module.exports = { NAME, PLAIN, codecOfText, isCoded, unwrap, wrap };
