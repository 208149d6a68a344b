'use strict';

/** How many keys, or entries, are asked for at once. */
const PAGE = 1000;

/** The keys that match on a server, each once, by SCAN, which keeps nobody waiting. */
async function keysOf({ client }, pattern) {
  const keys = new Set();
  let cursor = '0';
  do {
    const [next, page] = await client.call('scan', cursor, 'MATCH', pattern, 'COUNT', PAGE);
    for (const key of page) keys.add(key);
    cursor = next;
  } while (cursor !== '0');
  return [...keys].sort();
}

/** What stands for itself in a pattern. */
function literal(text) {
  return text.replace(/[*?[\]\\^]/g, '\\$&');
}

/**
 * The streams of a bus, each where it is.
 * @param {import('./servers.js').Servers} servers
 * @param {string} [name] of the only one that is asked for
 */
async function streamsOf(servers, name) {
  const begin = `${servers.prefix}:str:`;
  const perServer = servers.all.map(async (server) => {
    const keys = name === undefined ? await keysOf(server, `${literal(begin)}*`) : [begin + name];
    const streams = await Promise.all(keys.map((key) => streamOf(server, key, servers.prefix)));
    return streams.filter((stream) => stream !== null);
  });
  return (await Promise.all(perServer)).flat();
}

/** A stream with its groups; null if there is none, any more or on this server. */
async function streamOf(server, key, prefix) {
  const { client, name: node } = server;
  try {
    const [info, groups, now] = await Promise.all([
      client.call('xinfo', 'STREAM', key),
      client.call('xinfo', 'GROUPS', key),
      timeOf(client),
    ]);
    const about = record(info);
    const first = about['first-entry']?.[0] ?? null;
    const stream = { stream: key.slice(`${prefix}:str:`.length), node, length: about.length, oldest: aged(first, now) };
    stream.added = about['entries-added'] ?? null;
    stream.groups = await Promise.all(
      groups.map((group) => groupOf(client, key, record(group), { prefix, now, last: about['last-generated-id'] })),
    );
    return hiding(stream, { server, key, lastId: about['last-generated-id'] });
  } catch (error) {
    if (MISSING.includes(error.code)) return null;
    throw error;
  }
}

/** What is said of a key that is gone (`ERR`, by XINFO), is no stream, or is on another node of a Cluster. */
const MISSING = ['ERR', 'WRONGTYPE', 'MOVED', 'NOGROUP'];

async function groupOf(client, key, group, { prefix, now, last }) {
  const [consumers, [oldest]] = await Promise.all([
    client.call('xinfo', 'CONSUMERS', key, group.name),
    client.call('xpending', key, group.name, '-', '+', 1),
  ]);
  const found = {
    group: nameOf(group.name, prefix),
    lag: lagOf(group, last),
    read: readOf(group),
    pending: group.pending,
    oldestPending: oldest ? { ...aged(oldest[0], now), ...pendingOf(oldest) } : null,
    lastDelivered: group['last-delivered-id'],
    consumers: consumers.map(record).map(({ name, pending, idle }) => ({ name, pending, idle })),
  };
  return hiding(found, { name: group.name });
}

/** How an entry is pending, of XPENDING. */
function pendingOf([, owner, idle, deliveries]) {
  return { owner, idle, deliveries };
}

/** Groups of the bus begin as its keys do; others have their whole name. */
function nameOf(group, prefix) {
  const begin = `${prefix}:csr:`;
  return group.startsWith(begin) ? group.slice(begin.length) : group;
}

/** How many entries a group has yet to get; null where the server does not tell, as before Redis 7. */
function lagOf(group, last) {
  if (group['last-delivered-id'] === last) return 0;
  return group.lag ?? null;
}

/** How many entries a group was given; a group that never read has no count, which is none. */
function readOf(group) {
  const hasCounts = group['entries-read'] !== undefined;
  return group['entries-read'] ?? (hasCounts && group['last-delivered-id'] === '0-0' ? 0 : null);
}

/** An entry's id with its age in ms, which an id begins with the time of. */
function aged(id, now) {
  return id === null ? null : { id, age: Math.max(0, now - Number(id.split('-')[0])) };
}

/** The server's clock, in ms, by which ids are made. */
async function timeOf(client) {
  const [seconds, micros] = await client.call('time');
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/** Names and values in turns, as XINFO and entries have them. */
function record(list) {
  const found = {};
  for (let at = 0; at < list.length; at += 2) found[list[at]] = list[at + 1];
  return found;
}

/** Adds what is for us, and not to be printed. */
function hiding(object, values) {
  for (const [name, value] of Object.entries(values)) Object.defineProperty(object, name, { value });
  return object;
}

module.exports = { PAGE, aged, keysOf, literal, pendingOf, record, streamsOf, timeOf };
