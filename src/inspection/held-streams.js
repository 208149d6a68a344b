'use strict';

const { isBehind, successor } = require('../facade/redis/entry-ids.js');
const { duration } = require('./duration.js');
const { keysOf, literal } = require('./scan.js');

/**
 * Finds streams with retention whose acknowledged entries stay because of a group that nobody reads for, or of a pending entry
 * that nobody works on.
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
  const detail = `${retained.length} ${retained.length === 1 ? 'stream' : 'streams'} with retain, none is held`;
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
  const lowest = lowestOf(groups);
  if (lowest === null || isBehind(firstOf(lowest), lastId)) return [];
  const { group } = lowest;
  const reason = lowest.consumers.some((one) => one.idle < idle) ? pinned(lowest, idle) : unread(lowest, idle);
  if (reason === null) return [];
  const detail = `${stream} keeps ${length} entries for ${group}, ${reason}`;
  return [{ check: 'retention', node, state: 'problem', detail, stream, group }];
}

function unread({ consumers }, idle) {
  const nobody =
    consumers.length === 0 ? 'which has no consumers' : `whose consumers have not read for ${duration(idle)}`;
  return `${nobody}: play its consumers, or remove the group`;
}

/** Returns the reason if the first pending entry of a group with consumers is idle. */
function pinned({ oldestPending }, idle) {
  if (oldestPending === null || oldestPending.idle < idle) return null;
  const { id, deliveries } = oldestPending;
  const times = deliveries === 1 ? '1 delivery' : `${deliveries} deliveries`;
  const mending = 'give its consumers claimInterval and deadLetter, or acknowledge it by XACK';
  return `whose entry ${id} is pending and idle for ${duration(oldestPending.idle)} after ${times}: ${mending}`;
}

/** Returns the group whose first id that it has not acknowledged is the lowest; `null` without groups. */
function lowestOf(groups) {
  return groups.reduce((slow, one) => (slow === null || isBehind(firstOf(slow), firstOf(one)) ? one : slow), null);
}

/** Returns the id of the pending entry that holds a stream, or `null`. */
function holdingEntry({ groups }) {
  return lowestOf(groups)?.oldestPending?.id ?? null;
}

/**
 * Returns the slowest group with the first id that it has not acknowledged, and with its pending entry if it is that. Returns
 * `null` if all groups have acknowledged all entries.
 */
function holderOf({ lastId, groups }) {
  const lowest = lowestOf(groups);
  if (lowest === null || isBehind(firstOf(lowest), lastId)) return null;
  return { group: lowest.group, first: firstOf(lowest), entry: lowest.oldestPending?.id ?? null };
}

/** Returns the first id that a group has not acknowledged. */
function firstOf({ oldestPending, lastDelivered }) {
  return oldestPending?.id ?? successor(lastDelivered) ?? lastDelivered;
}

module.exports = { checkRetention, holderOf, holdingEntry, retainedStreams };
