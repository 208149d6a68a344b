'use strict';

const { countInForce, groupedByStream } = require('./partition-counts.js');
const { sumOfRetention } = require('../retention-state.js');

/**
 * Returns the streams of a bus with one element for each partitioned stream, which has the sums of its partitions. An unknown
 * count makes the sum unknown.
 * @param {Array<object>} streams result of `streamsOf()`
 * @param {import('./partition-counts.js').PartitionCounts} counts
 */
function withSums(streams, counts) {
  const { others, partitions } = groupedByStream(streams, counts);
  const sums = [...partitions].map(([stream, parts]) => sumOf(stream, countInForce(counts, stream), parts));
  return [...others, ...sums].sort(
    (left, right) => compare(left.stream, right.stream) || compare(left.node, right.node),
  );
}

/** Returns the streams of a bus, with the partitions of a partitioned stream in their order. */
function withPartitions(streams, counts) {
  const { others, partitions } = groupedByStream(streams, counts);
  return [...others, ...[...partitions.values()].flat()];
}

function compare(left, right) {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function sumOf(stream, count, parts) {
  const groups = new Map();
  for (const group of parts.flatMap((part) => part.groups)) {
    groups.set(group.group, [...(groups.get(group.group) ?? []), group]);
  }
  return {
    stream,
    partitions: count,
    node: [...new Set(parts.map(({ node }) => node))].sort().join(', '),
    length: total(parts, 'length'),
    oldest: oldestOf(parts.map(({ oldest }) => oldest)),
    added: total(parts, 'added'),
    groups: [...groups].map(([group, found]) => sumOfGroup(group, found)),
    delayed: total(parts, 'delayed'),
    ...(parts[0].retention !== undefined && { retention: sumOfRetention(parts.map(({ retention }) => retention)) }),
  };
}

function sumOfGroup(group, found) {
  return {
    group,
    partitions: found.length,
    lag: total(found, 'lag'),
    read: total(found, 'read'),
    pending: total(found, 'pending'),
    oldestPending: oldestOf(found.map(({ oldestPending }) => oldestPending)),
    lastDelivered: null,
    consumers: consumersOf(found.flatMap(({ consumers }) => consumers)),
  };
}

/** Returns each consumer once: it reads all of its partitions. */
function consumersOf(consumers) {
  const found = new Map();
  for (const { name, pending, idle } of consumers) {
    const known = found.get(name) ?? { name, pending: 0, idle: Number.POSITIVE_INFINITY };
    found.set(name, { name, pending: known.pending + pending, idle: Math.min(known.idle, idle) });
  }
  return [...found.values()];
}

/** Returns the sum of a figure; `null` if one of them is unknown. */
function total(all, figure) {
  return all.reduce((sum, one) => (sum === null || one[figure] === null ? null : sum + one[figure]), 0);
}

function oldestOf(entries) {
  return entries.reduce((old, one) => (one !== null && (old === null || one.age > old.age) ? one : old), null);
}

module.exports = { withPartitions, withSums };
