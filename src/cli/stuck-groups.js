'use strict';

const { isBehind } = require('../facade/redis/entry-ids.js');
const { duration } = require('./printing.js');
const { PAGE } = require('./streams.js');

/** @returns {Promise<import('./doctor.js').Finding[]>} groups that are stuck, or one that says that none is */
async function checkGroups(streams, everywhere, idle) {
  const perStream = await Promise.all(streams.map((stream) => stuckIn(stream, idle)));
  const stuck = perStream.flat();
  if (stuck.length > 0) return stuck;
  const groups = streams.reduce((sum, { groups }) => sum + groups.length, 0);
  const detail = `${groups} groups of ${streams.length} streams, none is stuck`;
  return [{ check: 'groups', node: everywhere, state: 'ok', detail }];
}

async function stuckIn(stream, idle) {
  const findings = await Promise.all(
    stream.groups.map(async (group) => {
      const untouched = group.pending > 0 ? await untouchedOf(stream, group.name, idle) : 0;
      const reasons = [abandoned(untouched, idle), unread(stream, group, idle)].filter(Boolean);
      return reasons.map((reason) => finding(stream, group, reason));
    }),
  );
  return findings.flat();
}

function finding({ stream, node }, { group }, reason) {
  const detail = `${group} of ${stream} is stuck: ${reason}`;
  return { check: 'groups', node, state: 'problem', detail, stream, group };
}

function abandoned(untouched, idle) {
  if (untouched === 0) return null;
  const number = untouched === PAGE ? `${PAGE} or more` : untouched;
  return `${number} pending that nobody has touched for ${duration(idle)}`;
}

/** What is left to be read while nobody reads; consumers show themselves with each read, however little there is. */
function unread({ lastId }, { lag, lastDelivered, consumers }, idle) {
  const isBehindStream = lag === null ? isBehind(lastId, lastDelivered) : lag > 0;
  if (!isBehindStream || consumers.some((consumer) => consumer.idle < idle)) return null;
  const number = lag === null ? 'entries (how many is not known)' : lag;
  const readers = consumers.length === 0 ? 'there are no consumers' : `no consumer has read for ${duration(idle)}`;
  return `${number} to be delivered, and ${readers}`;
}

/** How many entries have been pending untouched for so long, up to a page. */
async function untouchedOf({ server: { client }, key }, group, idle) {
  try {
    return (await client.call('xpending', key, group, 'IDLE', idle, '-', '+', PAGE)).length;
  } catch (error) {
    // Redis asks by IDLE from 6.2 on.
    if (error.code !== 'ERR') throw error;
    const oldest = await client.call('xpending', key, group, '-', '+', PAGE);
    return oldest.filter(([, , untouched]) => untouched >= idle).length;
  }
}

module.exports = { checkGroups };
