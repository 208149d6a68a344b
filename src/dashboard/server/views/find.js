'use strict';

const { isEntryId } = require('../../../facade/redis/entry-ids.js');

/** Maximum number of results. */
const MOST = 20;

/** Returns pages for a text: a key of Redis, an id, or a part of a name. The last result is always the job of this id. */
function find({ buses }, query) {
  const text = (query.get('q') ?? '').trim().slice(0, 1000);
  if (text === '') return { results: [] };
  const results = buses.flatMap((bus, index) => inBus(bus, index, text)).slice(0, MOST);
  const jobs = results.some(({ kind }) => kind === 'job')
    ? []
    : buses.map((_, bus) => ({ kind: 'job', bus, id: text }));
  return { results: [...results, ...jobs.slice(0, 1)] };
}

function inBus(bus, index, text) {
  const ofKey = keyIn(bus, index, text);
  if (ofKey) return [ofKey];
  if (isEntryId(text) && text.includes('-')) return [];
  const lower = text.toLowerCase();
  const isNamed = (name) => name?.toLowerCase().includes(lower);
  const streams = new Map(bus.rows.map((row) => [JSON.stringify(subjectOf(row)), subjectOf(row)]));
  const named = [...streams.values()].filter(({ stream }) => isNamed(stream));
  const isShown = named.some(({ stream }) => stream === text);
  // A partition has no row.
  if (!isShown && bus.partsOf(text).length > 0) named.push({ stream: text });
  const groups = bus.rows.filter(({ group }) => isNamed(group));
  const exact = ({ stream }) => (stream.toLowerCase() === lower ? 0 : 1);
  return [
    ...named
      .sort((left, right) => exact(left) - exact(right))
      .map((stream) => ({ kind: 'stream', bus: index, ...stream })),
    ...groups.map((row) => ({ kind: 'group', bus: index, ...subjectOf(row), group: row.group })),
  ].slice(0, MOST);
}

/** Returns the stream of a row. The count of partitions is there for a partitioned stream only. */
function subjectOf({ stream, partitions }) {
  return partitions === null ? { stream } : { stream, partitions };
}

/** Returns the page of a key of the bus; `null` for any other text. */
function keyIn(bus, index, text) {
  const prefixes = new Set(bus.servers.all.map(({ prefix }) => prefix));
  for (const prefix of prefixes) {
    if (text.startsWith(`${prefix}:str:`)) {
      return { kind: 'stream', bus: index, stream: text.slice(`${prefix}:str:`.length) };
    }
    if (text.startsWith(`${prefix}:job:`)) {
      const rest = text.slice(`${prefix}:job:`.length);
      const end = rest.indexOf(':');
      return { kind: 'job', bus: index, id: end < 0 ? rest : rest.slice(0, end) };
    }
  }
  return null;
}

module.exports = { find };
