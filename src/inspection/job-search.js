'use strict';

const { isBehind } = require('../facade/redis/entry-ids.js');
const { Budget, entryPages } = require('./entry-pages.js');
const { PAGE, literal } = require('./scan.js');
const { withAge, pendingOf, record, timeOf } = require('./streams.js');

/** Owner of an entry that is not pending. */
const UNOWNED = { owner: null, idle: null, deliveries: null };

/**
 * Resolves with the entries of a job in some streams, which are read page by page.
 * @param {Array<object>} streams streams with their groups
 * @param {{ isNewestFirst?: boolean, budget?: Budget, refresh?: (stream: object) => Promise<object[]> }} [options] the
 *   budget is shared by all streams; `refresh` reads the groups of a stream again
 */
async function entriesOf(streams, jobId, options = {}) {
  const { isNewestFirst = false, budget = new Budget(), refresh = async ({ groups }) => groups } = options;
  const each = streams.map((stream) => entriesIn(stream, jobId, { isNewestFirst, budget, refresh }));
  return (await Promise.all(each)).flat();
}

async function entriesIn(stream, jobId, options) {
  const { client } = stream.server;
  const found = [];
  for await (const page of entryPages(client, stream.key, options)) {
    const entries = page.map(([id, fields]) => [id, record(fields)]);
    found.push(...entries.filter(([, { job }]) => job === jobId));
  }
  if (found.length === 0) return [];
  const [now, groups] = await Promise.all([timeOf(client), options.refresh(stream)]);
  return Promise.all(found.map(([id, fields]) => entryOf({ stream, groups }, withAge(id, now), fields)));
}

async function entryOf({ stream: { stream, node, key, server }, groups }, { id, age }, fields) {
  const states = groups.map((group) => stateOf(server.client, key, group, id));
  return {
    stream,
    node,
    id,
    age,
    producer: fields.prd ?? null,
    // Payload keys whose values are in the entry.
    carried: Object.keys(fields).flatMap((field) => (field.startsWith('val:') ? [field.slice('val:'.length)] : [])),
    // These fields exist in a dead letter only.
    deadLetter: fields.rsn === undefined ? null : { stream: fields.str, group: fields.grp, reason: fields.rsn },
    groups: await Promise.all(states),
  };
}

/** Resolves with the state of an entry for a group. An entry older than the group counts as done. */
async function stateOf(client, key, { group, name, lastDelivered }, id) {
  if (isBehind(id, lastDelivered)) return { group, state: 'waiting', ...UNOWNED };
  const [pending] = await client.call('xpending', key, name, id, id, 1);
  return pending ? { group, state: 'pending', ...pendingOf(pending) } : { group, state: 'done', ...UNOWNED };
}

/**
 * Resolves with the payload keys of a job on a server, without their values. SCAN visits every key. If the budget ends it
 * before, the budget is spent afterwards, and otherwise not.
 * @param {{ name: string, client: object }} server
 * @param {string} begin beginning of the keys in Redis
 */
async function payloadOf(server, begin, budget = new Budget()) {
  const keys = new Set();
  let cursor = '0';
  do {
    const [next, page] = await server.client.call('scan', cursor, 'MATCH', `${literal(begin)}*`, 'COUNT', PAGE);
    for (const key of page) keys.add(key);
    cursor = next;
    budget.keys -= PAGE;
  } while (cursor !== '0' && !budget.isSpent);
  budget.keys = cursor === '0' ? Math.max(1, budget.keys) : 0;
  return Promise.all([...keys].sort().map((key) => sizeOf(server, key, key.slice(begin.length))));
}

async function sizeOf({ name: node, client }, inRedis, key) {
  const [[, bytes], [, ttl]] = await client.pipeline().strlen(inRedis).pttl(inRedis).exec();
  return { key, node, bytes: bytes ?? null, ttl: ttl >= 0 ? ttl : null };
}

module.exports = { entriesOf, payloadOf };
