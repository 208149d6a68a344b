'use strict';

const { fieldsOf } = require('./server-info.js');

const ALL_SLOTS = 16384;

/** First version of Redis with streams, and first version that reports the lag of a group. */
const LEAST_VERSION = 5;
const REPORTS_LAG = 7;

/** @returns {import('./finding.js').Finding[]} findings from the reply to INFO */
function checkServer({ name: node, info }) {
  const checks = { version, role, memory, eviction, persistence };
  return Object.entries(checks).map(([check, look]) => ({ check, node, ...look(info) }));
}

function version(info) {
  const number = info.get('redis_version');
  if (number === undefined) return unknown('not in the reply to INFO');
  const major = Number.parseInt(number, 10);
  const valkey = info.get('valkey_version');
  const named = valkey ? `Valkey ${valkey}, as Redis ${number}` : `Redis ${number}`;
  if (major < LEAST_VERSION) return problem(`${named}: there are no streams before 5.0`);
  return ok(major < REPORTS_LAG ? `${named}; before 7.0 the lag of groups is not known` : named);
}

function role(info) {
  const found = info.get('role');
  if (found === undefined) return unknown('not in the reply to INFO');
  if (info.get('loading') === '1') return problem('it is loading its data');
  return found === 'master' ? ok('primary') : problem('a replica, which refuses writes');
}

function memory(info) {
  const used = Number(info.get('used_memory'));
  const most = Number(info.get('maxmemory'));
  if (!Number.isFinite(used) || !Number.isFinite(most)) return unknown('not in the reply to INFO');
  if (most === 0) return ok(`${mib(used)} in use, no limit`);
  const detail = `${mib(used)} of ${mib(most)} in use`;
  return used > most * 0.9 ? warning(`${detail}: a full Redis refuses jobs`) : ok(detail);
}

function eviction(info) {
  const policy = info.get('maxmemory_policy');
  if (policy === undefined) return unknown('not in the reply to INFO');
  if (policy === 'noeviction') return ok(policy);
  if (info.get('maxmemory') === '0') return warning(`${policy}: should be noeviction before maxmemory is set`);
  return problem(`${policy}: Redis can evict streams and payloads, which loses jobs; should be noeviction`);
}

function persistence(info) {
  const aof = info.get('aof_enabled');
  if (aof === undefined) return unknown('not in the reply to INFO');
  if (aof === '1') {
    const isWritten = info.get('aof_last_write_status') === 'ok';
    return isWritten ? ok('AOF is on') : problem('AOF is on, and the last write failed');
  }
  return warning('AOF is off: a restart loses all writes since the last snapshot');
}

/** @returns {Promise<import('./finding.js').Finding[]>} the finding on the slots of a Cluster */
async function checkSlots({ name: node, client }) {
  const info = fieldsOf(await client.call('cluster', 'info'));
  const state = info.get('cluster_state');
  const assigned = Number(info.get('cluster_slots_assigned'));
  const failing = Number(info.get('cluster_slots_fail'));
  const detail = `${assigned} of ${ALL_SLOTS} slots have a node, ${failing} of these fail; cluster_state is ${state}`;
  const isWhole = state === 'ok' && assigned === ALL_SLOTS && failing === 0;
  return [{ check: 'slots', node, ...(isWhole ? ok(detail) : problem(detail)) }];
}

function mib(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

const ok = (detail) => ({ state: 'ok', detail });
const warning = (detail) => ({ state: 'warning', detail });
const problem = (detail) => ({ state: 'problem', detail });
const unknown = (detail) => ({ state: 'unknown', detail: `not known: ${detail}` });

module.exports = { checkServer, checkSlots };
