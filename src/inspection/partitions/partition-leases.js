'use strict';

const { timeOf } = require('../streams.js');

/** Ratio of two leases from which they differ. An owner renews up to a quarter of its lease after its announcement. */
const DIFFERENCE = 1.5;

/**
 * Compares the leases of the owners of an ordered stream, for each group. An owner announces itself and renews its partitions in
 * one turn. So its lease is the rest of the lease of a partition, and the time since the announcement.
 * @param {import('../../cli/servers.js').Servers} servers
 * @param {{ stream: string, parts: Array<object> }} subject a partitioned stream
 * @returns {Promise<import('../finding.js').Finding[]>} none for a group without owners
 */
async function checkLeases(servers, { stream, parts }) {
  const names = new Set(parts.flatMap(({ groups }) => groups.map(({ group }) => group)));
  const perGroup = await Promise.all(
    [...names].map(async (group) => {
      const members = await membersOf(servers, stream, group);
      if (members === null) return [];
      const subject = { stream, group, node: members.node };
      const leases = await leasesOf(members, parts, servers.prefix, group).catch((error) => unknown(error, subject));
      return Array.isArray(leases) ? leases : differing(leases, subject);
    }),
  );
  return perGroup.flat();
}

/** Returns a finding for a user without the right to read leases. */
function unknown(error, { stream, group, node }) {
  if (error.code !== 'NOPERM') throw error;
  const detail = `leases of ${stream} are not known: the user has no permission for ${error.command}`;
  return [{ check: 'partitions', node, state: 'unknown', detail, stream, group }];
}

function differing(leases, { stream, group, node }) {
  const sorted = [...leases].sort(([, left], [, right]) => left - right);
  if (sorted.length < 2) return [];
  const [[first, shortest], [last, longest]] = [sorted[0], sorted.at(-1)];
  if (longest < shortest * DIFFERENCE) return [];
  const each = `about ${Math.round(shortest)} ms of ${first} and ${Math.round(longest)} ms of ${last}`;
  const detail = `consumers of ${group} have different leases of ${stream}: ${each}: give all of them the same lease`;
  return [{ check: 'partitions', node, state: 'warning', detail, stream, group }];
}

/** Resolves with the times since the announcements of consumers, or `null` for a group that is not ordered. */
async function membersOf({ all, prefix }, stream, group) {
  for (const { client, name: node } of all) {
    const [reply, now] = await Promise.all([
      // The users of ordered groups have the right to this command.
      client.call('zrangebyscore', `${prefix}:mem:${stream}:${group}`, '-inf', '+inf', 'WITHSCORES').catch(elsewhere),
      timeOf(client),
    ]);
    if (reply === null || reply.length === 0) continue;
    const ages = new Map();
    for (let at = 0; at < reply.length; at += 2) ages.set(reply[at], now - Number(reply[at + 1]));
    return { node, ages };
  }
  return null;
}

/** Resolves with the longest lease of each owner that has announced itself, in ms. */
async function leasesOf({ ages }, parts, prefix, group) {
  const leases = new Map();
  const read = async ({ server: { client }, stream }) => {
    const key = `${prefix}:own:${stream}:${group}`;
    const [[owner], rest] = await Promise.all([client.call('smembers', key), client.call('pttl', key)]);
    const age = ages.get(owner);
    if (age !== undefined && rest > 0) leases.set(owner, Math.max(leases.get(owner) ?? 0, rest + age));
  };
  await Promise.all(parts.map(read));
  return leases;
}

/** Returns `null` for the reply of a Cluster's node that does not have a key, and for a user who can own no partitions. */
function elsewhere(error) {
  if (error.code === 'MOVED' || error.code === 'NOPERM') return null;
  throw error;
}

module.exports = { checkLeases };
