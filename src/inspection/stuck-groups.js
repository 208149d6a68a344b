'use strict';

const { isBehind } = require('../facade/redis/entry-ids.js');
const { duration } = require('./duration.js');
const { PAGE } = require('./scan.js');

/**
 * Finds stuck groups.
 * @param {typeof idleEntriesOf} [idleIn] counts the pending entries of a group that have been idle for `idle` ms
 * @returns {Promise<import('./finding.js').Finding[]>} one finding for each stuck group, or one with the state `ok`
 */
async function checkGroups(streams, everywhere, idle, idleIn = idleEntriesOf) {
  const perStream = await Promise.all(streams.map((stream) => stuckIn(stream, idle, idleIn)));
  const stuck = perStream.flat();
  if (stuck.length > 0) return stuck;
  const groups = streams.reduce((sum, { groups }) => sum + groups.length, 0);
  const detail = `${groups} groups of ${streams.length} streams, none is stuck`;
  return [{ check: 'groups', node: everywhere, state: 'ok', detail }];
}

async function stuckIn(stream, idle, idleIn) {
  const findings = await Promise.all(
    stream.groups.map(async (group) => {
      const idleEntries = group.pending > 0 ? await idleIn(stream, group, idle) : 0;
      const reasons = [abandoned(idleEntries, idle), unread(stream, group, idle)].filter(Boolean);
      return reasons.map((reason) => finding(stream, group, reason));
    }),
  );
  return findings.flat();
}

function finding({ stream, node }, { group }, reason) {
  const detail = `${group} of ${stream} is stuck: ${reason}`;
  return { check: 'groups', node, state: 'problem', detail, stream, group };
}

function abandoned(count, idle) {
  if (count === 0) return null;
  const number = count === PAGE ? `${PAGE} or more` : count;
  return `${number} pending and idle for ${duration(idle)} or longer`;
}

/** Returns the reason if entries wait and no consumer reads. Each read of a consumer resets its idle time. */
function unread({ lastId }, { lag, lastDelivered, consumers }, idle) {
  const isBehindStream = lag === null ? isBehind(lastId, lastDelivered) : lag > 0;
  if (!isBehindStream || consumers.some((consumer) => consumer.idle < idle)) return null;
  const number = lag === null ? 'an unknown number' : lag;
  const readers = consumers.length === 0 ? 'there are no consumers' : `no consumer has read for ${duration(idle)}`;
  return `${number} not delivered, and ${readers}`;
}

/** Resolves with the number of pending entries that have been idle for `idle` ms, at most a page. */
async function idleEntriesOf({ server: { client }, key }, { name: group }, idle) {
  try {
    return (await client.call('xpending', key, group, 'IDLE', idle, '-', '+', PAGE)).length;
  } catch (error) {
    // XPENDING has the option IDLE from Redis 6.2 on.
    if (error.code !== 'ERR') throw error;
    const oldest = await client.call('xpending', key, group, '-', '+', PAGE);
    return oldest.filter(([, , untouched]) => untouched >= idle).length;
  }
}

module.exports = { checkGroups };
