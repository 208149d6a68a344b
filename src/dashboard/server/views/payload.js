'use strict';

const { HttpError } = require('../http-error.js');

/** Maximum size of a value that is shown, in bytes. */
const MOST = 64 * 1024;

/** Resolves with the beginning of a payload value: of a key in Redis, or of an entry that carries it. */
async function payload(bus, query) {
  const [id, key, node] = ['job', 'key', 'node'].map((name) => query.get(name) ?? '');
  const server = bus.servers.all.find(({ name }) => name === node);
  if (server === undefined) throw new HttpError(404, 'There is no such node.');
  const carried = query.get('entry');
  return carried
    ? ofEntry(bus, server, { stream: query.get('stream') ?? '', id: carried, key })
    : ofKey(server, id, key);
}

async function ofKey({ client, prefix }, id, key) {
  const inRedis = `${prefix}:job:${id}:${key}`;
  const size = await client.call('strlen', inRedis);
  const part = size > MOST ? client.callBuffer('getrange', inRedis, 0, MOST - 1) : client.callBuffer('get', inRedis);
  const value = await part;
  if (value === null) throw new HttpError(404, 'There is no such payload key.');
  return described(value, size);
}

async function ofEntry(bus, server, { stream, id, key }) {
  const part = bus.partsOf(stream).find((one) => one.server === server);
  const [entry] = part ? await server.client.callBuffer('xrange', part.key, id, id) : [];
  const at = (entry?.[1] ?? []).findIndex((field, index) => index % 2 === 0 && field.toString() === `val:${key}`);
  if (at < 0) throw new HttpError(404, 'The entry does not carry this key.');
  const value = entry[1][at + 1];
  return described(value.subarray(0, MOST), value.length);
}

function described(value, size) {
  try {
    // A character can be cut at the end.
    const decoder = new TextDecoder('utf-8', { fatal: true });
    return { size, text: decoder.decode(value, { stream: true }), isCut: size > value.length };
  } catch {
    return { size, hex: value.subarray(0, 1024).toString('hex'), isCut: size > 1024 };
  }
}

module.exports = { payload };
