'use strict';

const { chunkId, partsOf } = require('./chunk-id.js');

/*
 * Message on the channel of a result: `after first kind:length …`, a line feed, and the values. `after` is the id of the chunk
 * before the first one, `-` if it is not known. A reader at that position needs no read. Without kinds the message only says
 * that there are chunks.
 */

/** Maximum size of the values in a message, in bytes. Subscribers read larger ones from the stream. */
const LARGEST = 16 * 1024;

/** Field of an entry with the value of a chunk, or with the end. */
const KINDS = ['json', 'bytes', 'end'];

/**
 * @param {string | null} after
 * @param {Array<{ id: string, kind: string, value: string | Uint8Array }>} chunks in the order of their ids, without gaps
 * @returns {Buffer}
 */
function encode(after, chunks) {
  const values = chunks.map(({ value }) => (typeof value === 'string' ? Buffer.from(value) : value));
  const size = values.reduce((sum, { length }) => sum + length, 0);
  const head = [after ?? '-', chunks[0].id];
  if (size > LARGEST) return Buffer.from(`${head.join(' ')}\n`);
  const kinds = chunks.map(({ kind }, at) => `${KINDS.indexOf(kind)}:${values[at].length}`);
  return Buffer.concat([Buffer.from(`${[...head, ...kinds].join(' ')}\n`), ...values]);
}

/**
 * Reads a message.
 * @param {Buffer} message
 * @returns {{ after: string, chunks: Array<{ id: string, kind: string, value: Buffer }> } | null} `null` for another text
 */
function decode(message) {
  const end = message.indexOf(10);
  if (end < 0) return null;
  const [after, first, ...kinds] = message.toString('latin1', 0, end).split(' ');
  const parts = first === undefined ? null : partsOf(first);
  if (parts === null) return null;
  let at = end + 1;
  const chunks = kinds.map((one, nth) => {
    const [kind, length] = one.split(':').map(Number);
    const value = message.subarray(at, at + length);
    at += length;
    return { id: chunkId({ ...parts, count: parts.count + nth }), kind: KINDS[kind], value };
  });
  // A message that was cut, or a kind of a later version.
  if (at !== message.length || chunks.some(({ kind }) => kind === undefined)) return { after, chunks: [] };
  return { after, chunks };
}

module.exports = { KINDS, decode, encode };
