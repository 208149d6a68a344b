'use strict';

/** A command as Redis reads it. @param {Array<string | number | Buffer>} words */
function encode(words) {
  const parts = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = Buffer.isBuffer(word) ? word : Buffer.from(String(word));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

/**
 * The reply that starts at `at`: bulk strings as Buffers, errors as Errors.
 * @returns {{ value: any, end: number } | null} null if the rest is still to come
 */
function decode(buffer, at = 0) {
  const lineEnd = buffer.indexOf('\r\n', at);
  if (lineEnd < 0) return null;
  const line = buffer.toString('utf8', at + 1, lineEnd);
  const next = lineEnd + 2;
  switch (buffer[at]) {
    case 0x2b: // +
      return { value: line, end: next };
    case 0x2d: // -
      return { value: new Error(line), end: next };
    case 0x3a: // :
      return { value: Number(line), end: next };
    case 0x24: // $
      return bulk(buffer, next, Number(line));
    case 0x2a: // *
      return array(buffer, next, Number(line));
    default:
      throw new Error(`no reply: ${buffer.toString('latin1', at, at + 40)}`);
  }
}

function bulk(buffer, at, length) {
  if (length < 0) return { value: null, end: at };
  if (buffer.length < at + length + 2) return null;
  return { value: Buffer.from(buffer.subarray(at, at + length)), end: at + length + 2 };
}

function array(buffer, at, length) {
  if (length < 0) return { value: null, end: at };
  const value = [];
  let end = at;
  while (value.length < length) {
    const item = decode(buffer, end);
    if (!item) return null;
    value.push(item.value);
    end = item.end;
  }
  return { value, end };
}

module.exports = { encode, decode };
