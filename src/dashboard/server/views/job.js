'use strict';

const { Budget } = require('../../../inspection/entry-pages.js');
const { entriesOf, payloadOf } = require('../../../inspection/job-search.js');

/** Limits of a search: entries and bytes of all streams, keys of each server, and time in ms. */
const QUICK = { entries: 20_000, bytes: 32 * 2 ** 20, keys: 200_000, ms: 4000 };
const DEEP = { entries: 2_000_000, bytes: 4 * 2 ** 30, keys: 20_000_000, ms: 60_000 };
/** Number of streams that are searched at the same time. */
const AT_ONCE = 20;

/**
 * Finds the entries and the payload keys of a job, the newest entries first.
 * @param {import('../bus/bus.js').Bus} bus
 */
async function job(bus, id, { isDeep, stream }) {
  const limits = isDeep ? DEEP : QUICK;
  const budget = new Budget(limits);
  await bus.searchAgain();
  const parts = stream ? bus.partsOf(stream) : bus.parts;
  const streams = parts.map((part) => part.stream);
  const entries = [];
  for (let at = 0; at < streams.length && !budget.isSpent; at += AT_ONCE) {
    const some = streams.slice(at, at + AT_ONCE);
    entries.push(...(await entriesOf(some, id, { isNewestFirst: true, budget, refresh: refreshOf(bus) })));
  }
  const up = bus.servers.all.filter(({ isUp }) => isUp);
  const keys = await Promise.all(up.map((server) => keysIn(server, id, new Budget(limits))));
  const outcomes = await Promise.all(entries.map((entry) => outcomesOf(bus, entry)));
  return {
    id,
    isDeep,
    entries: entries
      .map((entry, at) => ({ ...entry, outcomes: outcomes[at] }))
      .sort((left, right) => right.age - left.age),
    payload: keys.flatMap(({ found }) => found),
    isSearched: !budget.isSpent && bus.search.isComplete && up.length === bus.servers.all.length,
    areKeysSearched: keys.every(({ isComplete }) => isComplete),
    readAt: Date.now(),
  };
}

/** Returns a function that reads the groups of a stream again: an entry can have been delivered since the last poll. */
function refreshOf(bus) {
  return async ({ stream, node, groups }) => {
    await bus.refresh(stream);
    return bus.partsOf(stream).find((part) => part.server.name === node)?.stream.groups ?? groups;
  };
}

async function keysIn(server, id, budget) {
  try {
    const found = await payloadOf(server, `${server.prefix}:job:${id}:`, budget);
    return { found, isComplete: budget.keys > 0 };
  } catch (error) {
    if (error.code !== 'NOPERM') throw error;
    return { found: [], isComplete: false };
  }
}

/** Resolves with the outcome records of an entry, which durable jobs and dead letters have for some time. */
async function outcomesOf(bus, { stream, node, id, groups }) {
  const server = bus.servers.all.find(({ name }) => name === node);
  const found = await Promise.all(
    groups.map(async ({ group }) => {
      const key = `${server.prefix}:rec:${id}:${stream}:${group}`;
      const text = await server.client.call('get', key).catch(() => null);
      return text === null ? [] : [{ group, ...outcomeIn(text) }];
    }),
  );
  return found.flat();
}

function outcomeIn(text) {
  try {
    const { err = null } = JSON.parse(text);
    return { isSuccess: err === null, error: err };
  } catch {
    return { isSuccess: null, error: null };
  }
}

module.exports = { job };
