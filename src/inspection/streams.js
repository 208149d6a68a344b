'use strict';

const { partitionCounts, partitionOf } = require('./partitions/partition-counts.js');
const { keysOf, literal } = require('./scan.js');

/**
 * Resolves with the streams of a bus on all servers.
 * @param {import('../cli/servers.js').Servers} servers
 * @param {string} [name] the only stream to read, with its partitions if it has any
 */
async function streamsOf(servers, name) {
  const begin = `${servers.prefix}:str:`;
  const isPartitioned = name !== undefined && (await partitionCounts(servers, [name])).size > 0;
  const perServer = servers.all.map(async (server) => {
    const own = name === undefined ? await keysOf(server, `${literal(begin)}*`) : [begin + name];
    const found = isPartitioned ? await keysOf(server, `${literal(`${begin}${name}#`)}*`) : [];
    const keys = [...own, ...found.filter((key) => partitionOf(key.slice(begin.length))?.stream === name)];
    const streams = await Promise.all(keys.map((key) => streamOf(server, key, servers.prefix)));
    return streams.filter((stream) => stream !== null);
  });
  return (await Promise.all(perServer)).flat();
}

/** Resolves with a stream and its groups, or `null` if this server does not have it. */
async function streamOf(server, key, prefix) {
  const { client } = server;
  try {
    const [info, groups, now, delayed] = await Promise.all([
      client.call('xinfo', 'STREAM', key),
      client.call('xinfo', 'GROUPS', key),
      timeOf(client),
      client.call('zcard', delayedTimes(key, prefix)).catch(() => null),
    ]);
    const stream = describeStream({ server, key, prefix, now }, info, groups);
    stream.delayed = delayed;
    await Promise.all(stream.groups.map((group) => complete(stream, group, now)));
    return stream;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Returns the key of the due times of delayed sends, which has the hash tag of the stream's key. */
function delayedTimes(key, prefix) {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open);
  const tag = close > open + 1 ? key.slice(open + 1, close) : key;
  return `${prefix}:delayed:{${tag}}:${key.slice(`${prefix}:str:`.length)}:times`;
}

/**
 * Converts the replies to XINFO STREAM and XINFO GROUPS. The groups have no consumers yet, and no oldest pending entry.
 * @param {{ server: object, key: string, prefix: string, now: number, isOld?: boolean }} of true for `isOld` means that the
 *   reply to XINFO STREAM is older than the other one, so its last id can be passed
 */
function describeStream({ server, key, prefix, now, isOld = false }, info, groups) {
  const details = record(info);
  const last = isOld ? null : details['last-generated-id'];
  const stream = {
    stream: key.slice(`${prefix}:str:`.length),
    node: server.name,
    length: details.length,
    oldest: withAge(details['first-entry']?.[0] ?? null, now),
    added: details['entries-added'] ?? null,
    groups: groups.map((group) => describeGroup(record(group), prefix, last)),
  };
  return defineHidden(stream, { server, key, lastId: details['last-generated-id'] });
}

function describeGroup(group, prefix, last) {
  const found = {
    group: nameOf(group.name, prefix),
    lag: lagOf(group, last),
    read: readOf(group),
    pending: group.pending,
    oldestPending: null,
    lastDelivered: group['last-delivered-id'],
    consumers: [],
  };
  return defineHidden(found, { name: group.name, consumerCount: group.consumers });
}

/** Adds the consumers of a group and its oldest pending entry. */
async function complete({ server: { client }, key }, group, now) {
  const [consumers, [oldest]] = await Promise.all([
    client.call('xinfo', 'CONSUMERS', key, group.name),
    client.call('xpending', key, group.name, '-', '+', 1),
  ]);
  group.consumers = consumers.map(consumerOf);
  group.oldestPending = oldest ? { ...withAge(oldest[0], now), ...pendingOf(oldest) } : null;
}

/** Converts an element of the reply to XINFO CONSUMERS. */
function consumerOf(consumer) {
  const { name, pending, idle } = record(consumer);
  return { name, pending, idle };
}

/** Error codes for a key that does not exist (`ERR` from XINFO), is not a stream, or is on another node of a Cluster. */
const MISSING = ['ERR', 'WRONGTYPE', 'MOVED', 'NOGROUP'];

function isMissing({ code }) {
  return MISSING.includes(code);
}

/** Converts an element of the reply to XPENDING. */
function pendingOf([, owner, idle, deliveries]) {
  return { owner, idle, deliveries };
}

/** Removes the prefix of the bus from the name of a group. Other groups keep their whole name. */
function nameOf(group, prefix) {
  const begin = `${prefix}:csr:`;
  return group.startsWith(begin) ? group.slice(begin.length) : group;
}

/** Returns the number of undelivered entries; `null` if the server does not report it, as before Redis 7. */
function lagOf(group, last) {
  if (group['last-delivered-id'] === last) return 0;
  return group.lag ?? null;
}

/** Returns the number of delivered entries; `null` if unknown. A group that never read has no count, which means 0. */
function readOf(group) {
  const hasCounts = group['entries-read'] !== undefined;
  return group['entries-read'] ?? (hasCounts && group['last-delivered-id'] === '0-0' ? 0 : null);
}

/** Returns an entry's id with its age in ms. An id begins with the time of its entry. */
function withAge(id, now) {
  return id === null ? null : { id, age: Math.max(0, now - Number(id.split('-')[0])) };
}

/** Resolves with the time of the server's clock, in ms. Ids are made from this clock. */
async function timeOf(client) {
  const [seconds, micros] = await client.call('time');
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/** Converts alternating names and values, as in entries and replies to XINFO. */
function record(list) {
  const found = {};
  for (let at = 0; at < list.length; at += 2) found[list[at]] = list[at + 1];
  return found;
}

/** Adds properties that are not enumerable, and so not printed. */
function defineHidden(object, values) {
  for (const [name, value] of Object.entries(values)) Object.defineProperty(object, name, { value });
  return object;
}

module.exports = {
  consumerOf,
  describeStream,
  isMissing,
  pendingOf,
  record,
  streamsOf,
  timeOf,
  withAge,
};
