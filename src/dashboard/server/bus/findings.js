'use strict';

const { collapsed } = require('../../../inspection/partitions/collapsed-findings.js');
const { checkPartitions } = require('../../../inspection/partitions/partition-checks.js');
const { knownPartition } = require('../../../inspection/partitions/partition-counts.js');
const { checkConsumers } = require('../../../inspection/idle-consumers.js');
const { checkServer, checkSlots } = require('../../../inspection/server-checks.js');
const { checkGroups } = require('../../../inspection/stuck-groups.js');
const { STUCK } = require('./rows.js');
const { SAMPLE } = require('./stream-part.js');

/** Idle time from which a consumer without pending entries is reported, in ms, as for `doctor`. */
const IDLE_CONSUMERS = 86_400_000;
/** Maximum number of findings. */
const MOST = 50;

const ORDER = ['problem', 'warning', 'unknown', 'ok'];

/**
 * Resolves with the findings of `doctor` from the last polls, the worst first. The rights of the user are not
 * tried, since the user of the dashboard needs none of a producer or a consumer.
 * @param {import('./bus.js').Bus} bus
 * @param {import('../../../inspection/finding.js').Finding[]} slots result of `slotsOf()`
 * @returns {Promise<import('../../../inspection/finding.js').Finding[]>}
 */
async function findingsOf({ servers, parts, unread, counts, search }, slots) {
  const up = servers.all.filter(({ isUp }) => isUp);
  const away = servers.all.flatMap((server) => awayFinding(server, servers.isEjected(server)));
  const searched = search.reason ? [{ check: 'streams', node: '', state: 'unknown', detail: search.reason }] : [];
  const known = parts.filter((part) => part.groups().every(({ isDetailed }) => isDetailed));
  const streams = known.map(({ stream }) => stream);
  const everywhere = up.map(({ name }) => name).join(', ');
  const groups = up.length > 0 ? await checkGroups(streams, everywhere, STUCK, idleIn(known)) : [];
  const perStream = collapsed([...groups, ...checkConsumers(streams, IDLE_CONSUMERS)], counts);
  const isComplete = search.isComplete && up.length === servers.all.length;
  const undetailed = parts.filter((part) => !known.includes(part)).map(({ name }) => name);
  const ofPartitions = isComplete ? await partitionFindings(up, streams, counts, [...unread, ...undetailed]) : [];
  const all = [away, up.flatMap(checkServer), slots, searched, perStream, ofPartitions].flat(2);
  return all
    .map(({ check, node, state, detail, stream, group, partitions }) => {
      return { check, node, state, detail, stream, group, partitions };
    })
    .sort((left, right) => ORDER.indexOf(left.state) - ORDER.indexOf(right.state))
    .slice(0, MOST);
}

/**
 * Resolves with the findings on partitioned streams of which all partitions were read. The user of the dashboard needs no right to
 * read leases.
 */
function partitionFindings(up, streams, counts, unread) {
  const incomplete = new Set(unread.flatMap((name) => knownPartition(counts, name)?.stream ?? []));
  const complete = new Map([...counts].filter(([stream]) => !incomplete.has(stream)));
  return checkPartitions({ all: up, prefix: up[0]?.prefix ?? '' }, streams, complete, () => []);
}

/** Returns a finding for a server that does not answer, or that the bus of the program has ejected. */
function awayFinding({ name: node, isUp, reason }, isEjected) {
  if (isUp && !isEjected) return [];
  const why = isUp ? 'it answers the dashboard' : (reason ?? 'not connected yet');
  return [{ check: 'connection', node, state: 'problem', detail: isEjected ? `ejected; ${why}` : why }];
}

/** Resolves with the finding on the slots of a Cluster; none for other servers. */
async function slotsOf({ servers }) {
  const server = servers.all.find(({ isUp }) => isUp);
  if (!servers.isCluster || server === undefined) return [];
  try {
    return await checkSlots(server);
  } catch ({ message }) {
    return [{ check: 'slots', node: server.name, state: 'unknown', detail: `not known: ${message}` }];
  }
}

/** Counts idle entries in the sample of the last poll, without a command. */
function idleIn(parts) {
  const byStream = new Map(parts.map((part) => [part.stream, part]));
  return async (stream, { name }, idle) => {
    const { sample } = byStream
      .get(stream)
      .groups()
      .find(({ group }) => group.name === name);
    const count = sample.filter((entry) => entry.idle >= idle).length;
    return count === SAMPLE ? `${SAMPLE} or more` : count;
  };
}

module.exports = { findingsOf, slotsOf };
