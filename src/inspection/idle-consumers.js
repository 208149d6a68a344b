'use strict';

const { duration } = require('./duration.js');

/** Maximum number of names that are printed of a group. */
const NAMED = 5;
/** First version in which an empty read resets the idle time. Before it, a consumer that waits counts as idle. */
const COUNTS_READS = 7.2;

/**
 * Finds consumers without pending entries that have been idle for `idle` ms. Most of them have died.
 * @param {Array<object>} streams streams of a bus, with their groups
 * @returns {import('./finding.js').Finding[]} one finding for each group with such consumers
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
  const caveat = countsReads(server) ? '' : '; before Redis 7.2 a waiting consumer can count as idle';
  const detail = `${group} of ${stream} has ${names.length} ${noun} without pending entries, idle for ${duration(idle)} or longer: ${listed}${caveat}`;
  return [{ check: 'consumers', node, state: 'warning', detail, stream, group, consumers: names }];
}

function countsReads({ info }) {
  return Number.parseFloat(info.get('redis_version')) >= COUNTS_READS;
}

module.exports = { checkConsumers };
