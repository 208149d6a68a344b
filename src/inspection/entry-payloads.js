'use strict';

const { readersOf } = require('./readers.js');

/** Field of an entry that is the only copy of its values, by `payload: 'entry'`. */
const ONLY_COPY = Buffer.from('own');
/** Number of entries in one request. A value can be large. */
const PAGE = 10;
/** Limits of the entries that are read of one stream: their number, and the size of their fields in bytes. */
const MOST_ENTRIES = 100;
const MOST_BYTES = 1024 * 1024;
/** First version that reads the values of an entry. */
const READS_ENTRIES = '3.0';

/** Maximum number of connections that are printed. */
const NAMED = 5;

/**
 * Finds streams whose newest entries are the only copy of their values, and that have consumers. Consumers of 2.x would read
 * null. Redis does not know the version of a consumer. From 7.2 on it knows the version of a connection.
 * @param {Array<object>} streams streams of a bus, with their groups
 * @returns {Promise<import('./finding.js').Finding[]>} one finding for each such stream
 */
async function checkEntryPayloads(streams) {
  const perServer = new Map();
  const readers = (server) => {
    if (!perServer.has(server)) perServer.set(server, readersOf(server));
    return perServer.get(server);
  };
  const findings = await Promise.all(streams.map((stream) => findingOf(stream, readers)));
  return findings.filter((finding) => finding !== null);
}

async function findingOf(stream, readers) {
  const groups = stream.groups.filter(({ consumers }) => consumers.length > 0).map(({ group }) => group);
  if (groups.length === 0 || !(await hasOnlyCopies(stream))) return null;
  const { stream: name, node } = stream;
  const found = await readers(stream.server);
  const { nameless = [] } = found;
  const state = found.reason === undefined && nameless.length === 0 ? 'ok' : 'warning';
  const detail = `${name} has entries with payload: 'entry', of which 2.x reads null; ${verdict(found, groups)}`;
  return { check: 'payloads', node, state, detail, stream: name, groups, connections: nameless };
}

/** Returns the versions of the consumers as far as they are known. */
function verdict({ reason, current, nameless }, groups) {
  const must = `must be ${READS_ENTRIES} or later in the groups ${groups.join(', ')}`;
  if (reason !== undefined) return `the versions of the consumers are not known (${reason}), and ${must}`;
  const count = nameless.length;
  if (count === 0) return `no consumer of 2.x reads now, and ${current} of ${READS_ENTRIES} or later do`;
  const listed = nameless.slice(0, NAMED).join(', ') + (count > NAMED ? ` and ${count - NAMED} more` : '');
  return `${count} of ${current + count} connections that read can be of 2.x: ${listed}; consumers ${must}`;
}

/** Resolves with true if one of the newest entries is the only copy of its values. */
async function hasOnlyCopies({ server: { client }, key }) {
  let last = '+';
  let [count, size] = [0, 0];
  while (count < MOST_ENTRIES && size < MOST_BYTES) {
    const page = await client.callBuffer('xrevrange', key, last, '-', 'COUNT', PAGE);
    for (const [, fields] of page) {
      if (fields.some((field, at) => at % 2 === 0 && field.equals(ONLY_COPY))) return true;
      size += fields.reduce((sum, { length }) => sum + length, 0);
    }
    // The last entry of a page is the first of the next one, since Redis 5 has no exclusive ranges.
    count += PAGE - 1;
    if (page.length < PAGE) return false;
    last = page.at(-1)[0].toString();
  }
  return false;
}

module.exports = { checkEntryPayloads };
