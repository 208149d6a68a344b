'use strict';

const { duration } = require('./printing.js');

/** How many names are printed of a group. */
const NAMED = 5;
/** From this version on a read that brings nothing ends idleness; before, a consumer that waits is idle. */
const COUNTS_READS = 7.2;

/**
 * Consumers that have nothing pending and were idle for so long. Most of them died and left their names behind.
 * @param {Array<object>} streams of a bus, with their groups
 * @returns {import('./doctor.js').Finding[]} one for each group that has any
 */
function checkConsumers(streams, idle) {
  return streams.flatMap((stream) => stream.groups.flatMap((group) => idleIn(stream, group, idle)));
}

function idleIn({ stream, node, server }, { group, consumers }, idle) {
  const names = consumers.filter((one) => one.pending === 0 && one.idle >= idle).map(({ name }) => name);
  if (names.length === 0) return [];
  const noun = names.length === 1 ? 'consumer' : 'consumers';
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  const listed = names.slice(0, NAMED).join(', ') + more;
  const doubt = countsReads(server) ? '' : '; before Redis 7.2 a consumer that waits for entries may count as idle';
  const detail = `${group} of ${stream} has ${names.length} ${noun} idle for ${duration(idle)} or longer, with nothing pending: ${listed}${doubt}`;
  return [{ check: 'consumers', node, state: 'warning', detail, stream, group, consumers: names }];
}

function countsReads({ info }) {
  return Number.parseFloat(info.get('redis_version')) >= COUNTS_READS;
}

module.exports = { checkConsumers };
