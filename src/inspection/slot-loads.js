'use strict';

/** Slots of a Cluster. */
const LAST_SLOT = 16383;
/** Number of streams that are named for a node. */
const NAMED = 3;

/**
 * Returns the share of the CPU time of each node of a Cluster that the slots of its busiest streams take, by CLUSTER SLOT-STATS of
 * Redis 8.2 and Valkey 8 on. Other keys of a slot count too.
 * @param {Array<object>} streams streams of a bus
 * @returns {Promise<import('./finding.js').Finding[]>} none for a server without the command
 */
async function checkLoad({ name: node, client }, streams) {
  const stats = await slotStats(client);
  if (stats === null) return [];
  const finding = (detail) => [{ check: 'load', node, state: 'ok', detail }];
  const times = new Map(stats.map(([slot, fields]) => [slot, cpuOf(fields)]));
  if ([...times.values()].includes(null)) return finding('not known: cluster-slot-stats-enabled is no');
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  const own = streams.filter((stream) => stream.node === node);
  const slots = await Promise.all(own.map(({ key }) => client.call('cluster', 'KEYSLOT', key)));
  const shares = own.map(({ stream }, at) => ({ stream, share: (times.get(slots[at]) ?? 0) / Math.max(1, total) }));
  const busiest = shares.sort((left, right) => right.share - left.share).slice(0, NAMED);
  if (busiest.length === 0) return finding('no stream');
  const named = busiest.map(({ stream, share }) => `${stream} ${Math.round(share * 100)} %`);
  return finding(`share of the node's CPU time: ${named.join(', ')}`);
}

/** Resolves with the statistics of a node's slots; `null` if the server has none. */
async function slotStats(client) {
  try {
    return await client.call('cluster', 'SLOT-STATS', 'SLOTSRANGE', 0, LAST_SLOT);
  } catch (error) {
    if (error.code !== 'ERR') throw error;
    return null;
  }
}

/** Returns the CPU time of a slot in µs; `null` if the server does not count it. */
function cpuOf(fields) {
  const at = fields.indexOf('cpu-usec');
  return at < 0 ? null : fields[at + 1];
}

module.exports = { checkLoad };
