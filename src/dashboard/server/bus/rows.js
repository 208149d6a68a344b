'use strict';

/** Idle time from which a pending entry is stuck, in ms, as for `doctor`. */
const STUCK = 60_000;

/** Returns a name for a group of a stream. No name of a stream can have a line break and be taken for another one. */
function rowId(stream, group) {
  return JSON.stringify([stream, group]);
}

/**
 * Returns a row for each stream and group, with the sums over all servers. A stream without groups has one row.
 * @param {{ parts: import('./stream-part.js').StreamPart[] }} bus
 */
function rowsOf({ parts }) {
  const rows = new Map();
  for (const part of parts) {
    const groups = part.groups();
    if (groups.length === 0) add(rows, part, null);
    for (const group of groups) add(rows, part, group);
  }
  for (const row of rows.values()) judge(row);
  return [...rows.values()];
}

function add(rows, part, found) {
  const id = rowId(part.name, found?.group.group ?? null);
  const row = rows.get(id) ?? emptyRow(id, part, found);
  rows.set(id, row);
  row.nodes.push(part.server.name);
  row.length += part.stream.length;
  row.added = sum(row.added, part.added);
  row.isDeadLetters ||= part.isDeadLetters;
  row.polledAt = Math.max(row.polledAt, Date.now() - (performance.now() - part.polledAt));
  if (found === null) return;
  const { group, sample } = found;
  row.lag = sum(row.lag, group.lag);
  row.pending += group.pending;
  row.consumers += group.consumerCount ?? group.consumers.length;
  row.active += group.consumers.filter(({ idle }) => idle < STUCK).length;
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

function emptyRow(id, part, found) {
  const counts = { length: 0, lag: 0, pending: 0, consumers: 0, active: 0, idle: 0, failing: 0, trimmed: 0 };
  return {
    id,
    stream: part.name,
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
