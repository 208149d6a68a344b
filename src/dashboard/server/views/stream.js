'use strict';

const { HttpError } = require('../http-error.js');
const { nodeId } = require('../bus/node-figures.js');
const { rowsOf } = require('../bus/rows.js');
const { shown, sparks } = require('./overview.js');

/** Names of the figures in the history, in the order of its columns. */
const COLUMNS = ['time', 'lag', 'pending', 'added', 'settled'];

/** Returns a stream with its servers and its groups. */
function stream({ busOf }, query) {
  const bus = busOf(query);
  const name = query.get('stream') ?? '';
  const parts = bus.partsOf(name);
  if (parts.length === 0) throw new HttpError(404, 'There is no such stream.');
  const rows = rowsOf({ parts });
  return {
    stream: name,
    isDeadLetters: parts.some(({ isDeadLetters }) => isDeadLetters),
    parts: parts.map((part) => ({
      node: part.server.name,
      length: part.stream.length,
      entriesAdded: part.stream.added,
      added: part.added,
      oldest: part.stream.oldest,
      lastId: part.stream.lastId,
      isHeavy: part.isHeavy,
    })),
    rows: rows.map((row) => ({ ...shown(row), spark: sparks(bus, row) })),
    history: rows.slice(0, 8).map((row) => ({ group: row.group, columns: bus.history.get(row.id).columns(4) })),
    figures: COLUMNS,
  };
}

/** Returns a group of a stream with its consumers and its oldest pending entries. */
function group({ busOf }, query) {
  const bus = busOf(query);
  const [name, wanted] = [query.get('stream') ?? '', query.get('group') ?? ''];
  const row = rowsOf({ parts: bus.partsOf(name) }).find((one) => one.group === wanted);
  if (row === undefined) throw new HttpError(404, 'There is no such group of this stream.');
  const found = bus.partsOf(name).flatMap((part) => {
    return part
      .groups()
      .filter((one) => one.group.group === wanted)
      .map((one) => ({ node: part.server.name, ...one }));
  });
  return {
    ...shown(row),
    parts: found.map(({ node, group: { lag, pending, read, lastDelivered }, trimmed }) => {
      return { node, lag, pending, read, lastDelivered, trimmed };
    }),
    consumers: found.flatMap(consumersOf).sort((left, right) => right.pending - left.pending || left.idle - right.idle),
    entries: found.flatMap(({ node, sample }) => sample.map((entry) => ({ node, ...entry }))),
    letterStreams: [...new Set(bus.parts.filter(({ isDeadLetters }) => isDeadLetters).map((part) => part.name))],
    deliveries: histogram(found.flatMap(({ sample }) => sample)),
    figures: COLUMNS,
    columns: bus.history.get(row.id).columns(4),
  };
}

function consumersOf({ node, group: { consumers }, sample }) {
  return consumers.slice(0, 500).map(({ name, pending, idle }) => {
    const leases = sample.filter(({ owner }) => owner === name);
    return {
      node,
      name,
      pending,
      idle,
      longestLease: leases.length > 0 ? Math.max(...leases.map((lease) => lease.idle)) : null,
      redelivered: leases.filter(({ deliveries }) => deliveries > 1).length,
    };
  });
}

/** Returns the number of pending entries by their number of deliveries. */
function histogram(sample) {
  const counts = new Map();
  for (const { deliveries } of sample) counts.set(deliveries, (counts.get(deliveries) ?? 0) + 1);
  return [...counts].sort(([left], [right]) => left - right).map(([deliveries, count]) => ({ deliveries, count }));
}

/** Returns the servers with their figures. */
function nodes({ buses }) {
  return {
    figures: ['time', 'memory', 'cpu', 'ops'],
    nodes: buses.flatMap((bus, index) => {
      return bus.servers.all.map((server) => ({
        bus: index,
        name: server.name,
        isUp: server.isUp,
        reason: server.reason,
        isEjected: bus.servers.isEjected(server),
        streams: bus.parts.filter((part) => part.server === server).length,
        ...bus.figures.of(server),
        columns: bus.history.get(nodeId(server.name)).columns(3),
      }));
    }),
  };
}

module.exports = { group, nodes, stream };
