'use strict';

const { isBehind, successor } = require('../facade/redis/entry-ids.js');
const { duration } = require('./duration.js');
const { keysOf, literal } = require('./streams.js');

/**
 * Finds streams with retention whose acknowledged entries stay because of a group that nobody reads for.
 * @param {import('../cli/servers.js').Servers} servers
 * @param {Array<object>} streams streams of a bus, with their groups
 * @param {number} idle idle time from which nobody reads, in ms
 * @returns {Promise<import('./finding.js').Finding[]>} no finding without retention
 */
async function checkRetention(servers, streams, idle) {
  const names = await retainedStreams(servers);
  const retained = streams.filter(({ stream }) => names.has(stream));
  if (retained.length === 0) return [];
  const held = retained.flatMap((stream) => heldBy(stream, idle));
  if (held.length > 0) return held;
  const node = servers.all.map(({ name }) => name).join(', ');
  const detail = `${retained.length} ${retained.length === 1 ? 'stream' : 'streams'} with retain, none is held by a dead group`;
  return [{ check: 'retention', node, state: 'ok', detail }];
}

/**
 * Resolves with the names of the streams with retention, by the marks and the leases of the consumers that remove entries.
 * @param {import('../cli/servers.js').Servers} servers
 */
async function retainedStreams({ all, prefix }) {
  const perServer = await Promise.all(all.map((server) => keysOf(server, `${literal(prefix)}:r[et][tl]:*`)));
  const begin = `${prefix}:ret:`.length;
  return new Set(perServer.flat().map((key) => key.slice(begin)));
}

function heldBy({ stream, node, length, lastId, groups }, idle) {
  const firsts = groups.map((group) => ({ ...group, group: group.group, first: firstOf(group) }));
  const lowest = firsts.reduce((slow, one) => (slow === null || isBehind(slow.first, one.first) ? one : slow), null);
  if (lowest === null || isBehind(lowest.first, lastId) || lowest.consumers.some((one) => one.idle < idle)) return [];
  const nobody =
    lowest.consumers.length === 0 ? 'which has no consumers' : `whose consumers have not read for ${duration(idle)}`;
  const detail = `${stream} keeps ${length} entries for ${lowest.group}, ${nobody}: play its consumers, or remove the group`;
  return [{ check: 'retention', node, state: 'problem', detail, stream, group: lowest.group }];
}

/** Returns the first id that a group has not acknowledged. */
function firstOf({ oldestPending, lastDelivered }) {
  return oldestPending?.id ?? successor(lastDelivered) ?? lastDelivered;
}

module.exports = { checkRetention, retainedStreams };
