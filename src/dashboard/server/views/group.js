'use strict';

const { isBehind } = require('../../../facade/redis/entry-ids.js');
const { HttpError } = require('../http-error.js');
const { shown } = require('./overview.js');
const { COLUMNS, rowsAndParts } = require('./stream.js');

/** Maximum number of parts and of pending entries in one page. */
const MOST = 200;

/** Returns a group of a stream with its consumers and its oldest pending entries. */
function group({ busOf }, query) {
  const bus = busOf(query);
  const wanted = query.get('group') ?? '';
  const { parts, rows, isPartitioned } = rowsAndParts(bus, query);
  const row = rows.find((one) => one.group === wanted);
  if (row === undefined) throw new HttpError(404, 'There is no such group of this stream.');
  const found = parts.flatMap((part) => {
    return part
      .groups()
      .filter((one) => one.group.group === wanted)
      .map((one) => ({ node: part.server.name, stream: part.name, ...one }));
  });
  return {
    ...shown(row),
    parts: found.slice(0, MOST).map(({ node, stream: name, group: { lag, pending, read, lastDelivered }, trimmed }) => {
      return { node, stream: name, lag, pending, read, lastDelivered, trimmed };
    }),
    consumers: consumersIn(found, isPartitioned),
    entries: oldestEntries(found),
    letterStreams: [...new Set(bus.parts.filter(({ isDeadLetters }) => isDeadLetters).map((part) => part.name))],
    deliveries: histogram(found.flatMap(({ sample }) => sample)),
    figures: COLUMNS,
    columns: bus.history.get(row.id).columns(4),
  };
}

/** Returns the consumers, those with the most pending entries first. One of a partitioned stream is there once. */
function consumersIn(found, isPartitioned) {
  const each = found.flatMap(consumersOf);
  const all = isPartitioned ? mergedByName(each) : each;
  return all.sort((left, right) => right.pending - left.pending || left.idle - right.idle).slice(0, 500);
}

function mergedByName(consumers) {
  const found = new Map();
  for (const one of consumers) {
    const known = found.get(one.name);
    found.set(one.name, known === undefined ? { ...one, nodes: new Set([one.node]) } : merged(known, one));
  }
  return [...found.values()].map(({ nodes, ...one }) => {
    return { ...one, node: nodes.size === 1 ? one.node : `${nodes.size} nodes` };
  });
}

function merged(known, { node, pending, idle, longestLease, redelivered }) {
  known.nodes.add(node);
  return {
    ...known,
    pending: known.pending + pending,
    idle: Math.min(known.idle, idle),
    longestLease: longestLease === null ? known.longestLease : Math.max(known.longestLease ?? 0, longestLease),
    redelivered: known.redelivered + redelivered,
  };
}

function oldestEntries(found) {
  const entries = found.flatMap(({ node, stream, sample }) => sample.map((entry) => ({ node, stream, ...entry })));
  return entries.sort((left, right) => (isBehind(left.id, right.id) ? 1 : -1)).slice(0, MOST);
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

module.exports = { group };
