'use strict';

const { checkLeases } = require('./partition-leases.js');
const { countInForce, groupedByStream, partitionOf } = require('./partition-counts.js');

/** Number of partitions that a finding names. */
const NAMED = 5;
/** Number of entries from which the share of the busiest partition says something. */
const LEAST_ENTRIES = 1000;

/**
 * Checks each partitioned stream of a bus.
 * @param {import('../../cli/servers.js').Servers} servers
 * @param {Array<object>} streams streams of the bus, with their groups
 * @param {import('./partition-counts.js').PartitionCounts} counts
 * @param {typeof checkLeases} [leasesOf] compares the leases of owners
 * @returns {Promise<import('../finding.js').Finding[]>}
 */
async function checkPartitions(servers, streams, counts, leasesOf = checkLeases) {
  const { partitions } = groupedByStream(streams, counts);
  const perStream = await Promise.all(
    [...partitions].map(async ([stream, parts]) => {
      const count = countInForce(counts, stream);
      const subject = { stream, count, parts, node: nodesOf(parts) };
      const found = [
        ...differingCounts(subject, counts.get(stream)),
        ...beyondCount(subject),
        // Partitions on a server that does not answer are not known.
        ...(servers.unreachable?.length > 0 ? [] : [...missingGroups(subject), ...onOneNode(subject, servers)]),
        ...busiest(subject),
        ...(await leasesOf(servers, subject)),
      ];
      if (found.length > 0) return found;
      return [finding(subject, 'ok', `${stream} has ${count} ${count === 1 ? 'partition' : 'partitions'}`)];
    }),
  );
  return perStream.flat();
}

function finding({ stream, node, count }, state, detail) {
  return { check: 'partitions', node, state, detail, stream, partitions: count };
}

function nodesOf(parts) {
  return [...new Set(parts.map(({ node }) => node))].sort().join(', ');
}

/** Counts on several nodes: processes with other nodes, or in another order, look for the count elsewhere. */
function differingCounts(subject, found) {
  const inForce = found.map(({ node, counts }) => ({ node, count: Math.max(...counts) }));
  if (new Set(inForce.map(({ count }) => count)).size === 1) return [];
  const each = inForce.map(({ node, count }) => `${count} by ${node}`).join(', ');
  const mending = 'give all processes the same nodes in the same order, and the same number';
  return [finding(subject, 'problem', `the number of partitions of ${subject.stream} differs: ${each}: ${mending}`)];
}

/** Partitions that no process knows: the count was lost, or belongs to another node. */
function beyondCount(subject) {
  const beyond = subject.parts.filter((part) => part.length > 0 && numberOf(part) >= subject.count);
  if (beyond.length === 0) return [];
  const least = Math.max(...beyond.map(numberOf)) + 1;
  const only = `only ${subject.count} partitions are in force`;
  const detail = `nothing reads ${named(beyond)}, since ${only}: send or process with partitions: ${least}`;
  return [finding(subject, 'problem', detail)];
}

function missingGroups(subject) {
  const { stream, count, parts } = subject;
  const inForce = new Map(parts.filter((part) => numberOf(part) < count).map((part) => [numberOf(part), part]));
  const names = new Set([...inForce.values()].flatMap(({ groups }) => groups.map(({ group }) => group)));
  return [...names].flatMap((group) => {
    const missing = Array.from({ length: count }, (_, number) => number).filter((number) => {
      return !inForce.get(number)?.groups.some((one) => one.group === group);
    });
    if (missing.length === 0) return [];
    const more = missing.length > NAMED ? ` and ${missing.length - NAMED} more` : '';
    const where = `${count - missing.length} of ${count} partitions of ${stream}`;
    const detail = `the group ${group} is on ${where} only, and not on ${missing.slice(0, NAMED).join(', ')}${more}`;
    return [{ ...finding(subject, 'warning', `${detail}: play its consumers with partitions: ${count}`), group }];
  });
}

function onOneNode(subject, { all, prefix }) {
  const { stream, count, parts } = subject;
  if (all.length === 1 || count === 1 || parts.length === 1 || subject.node.includes(', ')) return [];
  const hasBraces = `${prefix}${stream}`.includes('{');
  const reason = hasBraces ? ', since the keyPrefix or the name of the stream has braces' : '';
  const detail = `all partitions of ${stream} are on 1 of ${all.length} nodes${reason}`;
  return [finding(subject, 'warning', detail)];
}

/** The share of the busiest partition, if it is much more than a fair one. */
function busiest(subject) {
  const { stream, count, parts } = subject;
  const entries = parts.map((part) => ({ part, entries: part.added ?? part.length }));
  const total = entries.reduce((sum, one) => sum + one.entries, 0);
  if (total < LEAST_ENTRIES || count === 1) return [];
  const most = entries.reduce((left, right) => (right.entries > left.entries ? right : left));
  const times = (most.entries / total) * count;
  if (times < Math.min(3, (count + 1) / 2)) return [];
  const percent = Math.round((most.entries / total) * 100);
  const share = `${most.part.stream} got ${percent} % of the entries of ${stream}, ${times.toFixed(1)} times its share`;
  return [finding(subject, 'warning', `${share}: many jobs have one key, or none of them use partitions`)];
}

function numberOf({ stream }) {
  return partitionOf(stream).number;
}

function named(parts) {
  const names = parts.slice(0, NAMED).map(({ stream }) => stream);
  return names.join(', ') + (parts.length > NAMED ? ` and ${parts.length - NAMED} more` : '');
}

module.exports = { checkPartitions };
