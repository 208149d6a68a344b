'use strict';

const { isBehind } = require('../facade/redis/entry-ids.js');
const { holderOf } = require('./held-streams.js');
const { timeOf, withAge } = require('./streams.js');

/** Mark of the entries that retention has removed: the first id of the range, the first one behind it, and their number. */
const MARK = /^(\d+-\d+) (\d+-\d+) (\d+)$/;

/** Reply of PTTL without a key. */
const NO_KEY = -2;

/**
 * Retention of a stream, as Redis knows it.
 * @typedef {object} RetentionState
 * @property {number | null} removed number of entries that were removed from the stream; `null` if it is not known
 * @property {{ id: string, age: number } | null} below first id behind the removed entries; `null` before the first removal
 * @property {{ group: string, entry: string | null } | null} heldBy slowest group, with its pending entry if it is that; `null` if
 *   all groups have acknowledged all entries
 */

/**
 * Resolves with the retention of a stream; `null` without, and for a user without the right to read it. The marks of a Cluster
 * are on any node.
 * @param {Array<object>} servers servers that can have the mark
 * @returns {Promise<RetentionState | null>}
 */
async function retentionOf(servers, prefix, stream, now) {
  const [marks, leases] = await Promise.all([
    askEach(servers, 'get', `${prefix}:ret:${stream.stream}`),
    askEach(servers, 'pttl', `${prefix}:rtl:${stream.stream}`),
  ]);
  const [, from, to, removed] = MARK.exec(marks.find(Boolean) ?? '') ?? [];
  if (from === undefined && leases.every((rest) => rest === null || rest === NO_KEY)) return null;
  const hasRemoved = from !== undefined && from !== to;
  const holder = holderOf(stream);
  const state = {
    removed: removedFrom(stream, removed),
    below: hasRemoved ? withAge(to, now) : null,
    heldBy: holder && { group: holder.group, entry: holder.entry },
  };
  return Object.defineProperty(state, 'first', { value: holder?.first ?? null });
}

/**
 * Returns the number of removed entries; `null` before Redis 7, which does not count the added ones. There is no mark there, and
 * none before the first removal.
 */
function removedFrom({ added }, marked) {
  if (marked !== undefined) return Number(marked);
  return added === null ? null : 0;
}

/** Resolves with the replies of servers; `null` for an error reply, as of a node that does not have the key. */
function askEach(servers, command, key) {
  const ask = async ({ client }) => {
    try {
      return await client.call(command, key);
    } catch (error) {
      if (error.name === 'ReplyError') return null;
      throw error;
    }
  };
  return Promise.all(servers.map(ask));
}

/**
 * Adds the retention of some streams, as the property `retention`.
 * @param {import('../cli/servers.js').Servers} servers
 * @param {Array<object>} streams
 */
async function addRetention({ all, isCluster, prefix }, streams) {
  const times = new Map(await Promise.all(all.map(async (server) => [server, await timeOf(server.client)])));
  const add = async (stream) => {
    const { server } = stream;
    stream.retention = await retentionOf(isCluster ? all : [server], prefix, stream, times.get(server));
  };
  await Promise.all(streams.map(add));
}

/**
 * Returns the retention of a partitioned stream: the sum of the removed entries, the highest id behind them, and the slowest group.
 * @param {Array<RetentionState | null>} states
 */
function sumOfRetention(states) {
  const known = states.filter((state) => state !== null);
  if (known.length === 0) return null;
  const isLower = (left, right) => right === null || isBehind(right, left);
  return {
    removed: known.reduce((sum, { removed }) => (sum === null || removed === null ? null : sum + removed), 0),
    below: known.reduce(
      (high, { below }) => (high === null || (below && isLower(high.id, below.id)) ? below : high),
      null,
    ),
    heldBy: known.reduce((low, one) => (one.first !== null && isLower(one.first, low.first) ? one : low)).heldBy,
  };
}

module.exports = { addRetention, retentionOf, sumOfRetention };
