'use strict';

/**
 * What newer servers help a bus with, oldest first. docs/command-line.md says what each of them is used for.
 * @type {Array<{ name: string, redis: number, valkey: number | null, command?: string }>} first version of each server, `null`
 *   for none that is known, and a command that exists where the help does
 */
const LADDER = [
  { name: 'XTRIM MINID', redis: 6.2, valkey: 7.2 },
  { name: 'lag', redis: 7, valkey: 7.2 },
  { name: 'SPUBLISH', redis: 7, valkey: 7.2, command: 'spublish' },
  { name: 'CLIENT SETINFO', redis: 7.2, valkey: 7.2, command: 'client|setinfo' },
  { name: 'CLUSTER SLOT-STATS', redis: 8.2, valkey: 8, command: 'cluster|slot-stats' },
  { name: 'XTRIM ACKED', redis: 8.2, valkey: null, command: 'xackdel' },
];

/**
 * Returns the help that a server has, by its commands where it lists them, and else by its version.
 * @returns {Promise<import('./finding.js').Finding[]>}
 */
async function checkFeatures({ name: node, client, info }) {
  const commands = await commandsOf(client);
  const steps = LADDER.map((step) => ({ ...step, isThere: has(step, info, commands) }));
  const present = steps.filter(({ isThere }) => isThere).map(({ name }) => name);
  const missing = steps
    .filter(({ isThere }) => !isThere)
    .map(({ name, redis }) => `from Redis ${redis.toFixed(1)} on ${name}`);
  const detail = [`${present.length} of ${steps.length}: ${present.join(', ') || 'none'}`, ...missing].join('; ');
  return [{ check: 'help', node, state: 'ok', detail }];
}

function has({ redis, valkey, command }, info, commands) {
  if (command !== undefined && commands !== null) return commands.has(command);
  const own = info.get('valkey_version');
  if (own !== undefined) return valkey !== null && Number.parseFloat(own) >= valkey;
  return Number.parseFloat(info.get('redis_version')) >= redis;
}

/**
 * Says if completions of a Cluster can be sharded.
 * @param {import('../cli/servers.js').Servers} servers
 * @param {Array<{ stream: string }>} streams
 * @returns {Promise<import('./finding.js').Finding[]>}
 */
async function checkSharded({ all, prefix }, streams) {
  const step = LADDER.find(({ name }) => name === 'SPUBLISH');
  const present = await Promise.all(all.map(async ({ client, info }) => has(step, info, await commandsOf(client))));
  const without = all.filter((_, at) => !present[at]).map(({ name }) => name);
  const excluded = streams
    .map(({ stream }) => stream)
    .filter((stream) => !hasShardedChannel(`${prefix}:str:${stream}`));
  const rest =
    excluded.length > 0
      ? `, but not of ${[...new Set(excluded)].join(', ')}, because of the braces in their names`
      : '';
  const detail = without.length > 0 ? `not possible: ${without.join(', ')} without SPUBLISH` : `possible${rest}`;
  return [{ check: 'sharded completions', node: all.map(({ name }) => name).join(', '), state: 'ok', detail }];
}

/** Returns false for the key of a stream that has a closing brace and no hash tag: no channel can be in its slot. */
function hasShardedChannel(key) {
  const open = key.indexOf('{');
  const isTagged = open >= 0 && key.indexOf('}', open) > open + 1;
  return isTagged || !key.includes('}');
}

/** Resolves with the commands of the ladder that a server has; `null` if it lists no subcommands, or without the right to ask. */
async function commandsOf(client) {
  const wanted = LADDER.flatMap(({ command }) => command ?? []);
  try {
    // From 7.0 on servers list subcommands. All of these have CONFIG GET.
    const reply = await client.call('command', 'INFO', 'config|get', ...wanted);
    if (!Array.isArray(reply[0])) return null;
    return new Set(reply.filter(Array.isArray).map(([found]) => found.toLowerCase()));
  } catch (error) {
    if (error.name !== 'ReplyError') throw error;
    return null;
  }
}

module.exports = { checkFeatures, checkSharded };
