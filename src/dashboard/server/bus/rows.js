'use strict';

const { countInForce, knownPartition } = require('../../../inspection/partitions/partition-counts.js');

/** Idle time from which a pending entry is stuck, in ms, as for `doctor`. */
const STUCK = 60_000;

/**
 * Returns a name for a group of a stream. A partitioned stream and another one can have the same name. No name of a stream can have
 * a line break and be taken for another one.
 */
function rowId({ stream, partitions }, group) {
  return JSON.stringify([stream, group, ...(partitions === null ? [] : ['partitions'])]);
}

/** Returns the stream of a row, and the count in force of its partitions; `null` for a stream without partitions. */
function subjectOf({ name }, counts) {
  const partition = knownPartition(counts, name);
  if (partition === null) return { stream: name, partitions: null };
  return { stream: partition.stream, partitions: countInForce(counts, partition.stream) };
}

/**
 * Returns a row for each stream and group, with the sums over all servers and all partitions. A stream without groups has one row.
 * @param {object} bus
 * @param {import('./stream-part.js').StreamPart[]} bus.parts
 * @param {import('../../../inspection/partitions/partition-counts.js').PartitionCounts} [bus.counts] without it each partition
 *   has rows of its own
 */
function rowsOf({ parts, counts = new Map() }) {
  const rows = new Map();
  for (const part of parts) {
    const [groups, subject] = [part.groups(), subjectOf(part, counts)];
    if (groups.length === 0) add(rows, part, subject, null);
    for (const group of groups) add(rows, part, subject, group);
  }
  for (const row of rows.values()) judge(row);
  return [...rows.values()];
}

function add(rows, part, subject, found) {
  const id = rowId(subject, found?.group.group ?? null);
  const row = rows.get(id) ?? emptyRow(id, subject, found);
  rows.set(id, row);
  if (!row.nodes.includes(part.server.name)) row.nodes.push(part.server.name);
  row.length += part.stream.length;
  row.added = sum(row.added, part.added);
  row.isDeadLetters ||= part.isDeadLetters;
  row.polledAt = Math.max(row.polledAt, Date.now() - (performance.now() - part.polledAt));
  if (found === null) return;
  const { group, sample } = found;
  row.lag = sum(row.lag, group.lag);
  row.pending += group.pending;
  addConsumers(row, group);
  row.idle += sample.filter(({ idle }) => idle >= STUCK).length;
  row.failing += sample.filter(({ deliveries }) => deliveries > 1).length;
  row.isSampled &&= found.isSampled;
  row.isDetailed &&= found.isDetailed;
  row.hasWaiting ||= found.hasWaiting;
  row.trimmed = sum(row.trimmed, found.trimmed);
  row.delivered = sum(row.delivered, found.delivered);
  row.settled = sum(row.settled, found.settled);
  row.oldest = found.oldest === null ? row.oldest : Math.max(row.oldest ?? 0, found.oldest);
}

/** Adds the consumers of a group. A consumer reads all of its partitions, and counts once. */
function addConsumers(row, { consumerCount, consumers }) {
  const isActive = ({ idle }) => idle < STUCK;
  if (row.partitions === null) {
    row.consumers += consumerCount ?? consumers.length;
    row.active += consumers.filter(isActive).length;
    return;
  }
  for (const consumer of consumers) {
    row.names.add(consumer.name);
    if (isActive(consumer)) row.activeNames.add(consumer.name);
  }
  row.consumers = Math.max(row.consumers, consumerCount ?? 0, row.names.size);
  row.active = row.activeNames.size;
}

function emptyRow(id, { stream, partitions }, found) {
  const counts = { length: 0, lag: 0, pending: 0, consumers: 0, active: 0, idle: 0, failing: 0, trimmed: 0 };
  const row = {
    id,
    stream,
    partitions,
    group: found?.group.group ?? null,
    nodes: [],
    ...counts,
    ...(found === null && { lag: null, pending: null }),
    added: 0,
    delivered: 0,
    settled: 0,
    oldest: null,
    isSampled: true,
    isDetailed: true,
    hasWaiting: false,
    isDeadLetters: false,
    polledAt: 0,
  };
  for (const name of ['names', 'activeNames']) Object.defineProperty(row, name, { value: new Set() });
  return row;
}

/** Adds the state and its reasons, by the rules of `doctor`. */
function judge(row) {
  row.inFlight = row.pending === null ? null : Math.max(0, row.pending - row.idle);
  const isUnread = row.isDetailed && row.hasWaiting && row.active === 0;
  const reasons = [
    isUnread && (row.consumers === 0 ? 'no consumers' : 'not read'),
    row.idle > 0 && 'stuck',
    row.trimmed > 0 && 'trimmed',
    row.failing > 0 && 'failing',
  ].filter(Boolean);
  row.reasons = reasons;
  row.state = reasons.some((reason) => reason !== 'failing') ? 'problem' : reasons.length > 0 ? 'warning' : 'ok';
}

/** Adds counts. A sum with an unknown count is unknown. */
function sum(left, right) {
  return left === null || right === null ? null : left + right;
}

module.exports = { STUCK, rowsOf };
