'use strict';

const { HttpError } = require('../http-error.js');
const { sumOfRetention } = require('../../../inspection/retention-state.js');
const { nodeId } = require('../bus/node-figures.js');
const { rowsOf } = require('../bus/rows.js');
const { shown, sparks } = require('./overview.js');

/** Names of the figures in the history, in the order of its columns. */
const COLUMNS = ['time', 'lag', 'pending', 'added', 'settled'];

/** Maximum number of parts in one page. */
const MOST_PARTS = 200;

/** Returns the rows of a stream with its parts, or of a partitioned stream with its partitions. */
function rowsAndParts(bus, query) {
  const isPartitioned = query.has('partitions');
  const parts = bus.partsOf(query.get('stream') ?? '', isPartitioned);
  return { parts, rows: rowsOf({ parts, counts: isPartitioned ? bus.counts : undefined }), isPartitioned };
}

/** Returns a stream with its servers and its groups. */
function stream({ busOf }, query) {
  const bus = busOf(query);
  const { parts, rows } = rowsAndParts(bus, query);
  if (parts.length === 0) throw new HttpError(404, 'There is no such stream.');
  return {
    stream: query.get('stream') ?? '',
    partitions: rows[0].partitions,
    isDeadLetters: parts.some(({ isDeadLetters }) => isDeadLetters),
    retention: sumOfRetention(parts.map((part) => bus.retentionOf(part))),
    totals: totalsOf(parts),
    partCount: parts.length,
    parts: parts.slice(0, MOST_PARTS).map(shownPart),
    rows: rows.map((row) => ({ ...shown(row), spark: sparks(bus, row) })),
    history: rows.slice(0, 8).map((row) => ({ group: row.group, columns: bus.history.get(row.id).columns(4) })),
    figures: COLUMNS,
  };
}

function shownPart(part) {
  const { stream, server, name, added, isHeavy } = part;
  const { length, oldest, lastId, groups } = stream;
  return {
    stream: name,
    node: server.name,
    length,
    entriesAdded: stream.added,
    added,
    waiting: total(groups, 'lag'),
    pending: total(groups, 'pending'),
    oldest,
    lastId,
    isHeavy,
  };
}

function totalsOf(parts) {
  const all = parts.map(({ stream, added }) => ({ length: stream.length, entriesAdded: stream.added, added }));
  return Object.fromEntries(['length', 'entriesAdded', 'added'].map((figure) => [figure, total(all, figure)]));
}

/** Returns the sum of a figure; `null` if one of them is not known. */
function total(all, figure) {
  return all.reduce((sum, one) => (sum === null || one[figure] === null ? null : sum + one[figure]), 0);
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

module.exports = { COLUMNS, nodes, rowsAndParts, stream };
