'use strict';

const { countsOf } = require('../inspection/partitions/partition-counts.js');
const { addRetention } = require('../inspection/retention-state.js');
const { withPartitions, withSums } = require('../inspection/partitions/stream-sums.js');
const { streamsOf } = require('../inspection/streams.js');
const { HELP_OF_BUS, parse } = require('./arguments.js');
const { duration, json, shortened, table } = require('./output.js');
const { Servers } = require('./servers.js');

const HELP = `Usage: hfxbus inspect [stream] [options]

Shows streams with their groups: length, delayed sends, pending entries and lag. A partitioned stream has the sums of
its partitions. Shows what retention has removed, and the slowest group. With a stream, shows its consumers too.

  --partitions       shows each partition of a partitioned stream, and no sums
${HELP_OF_BUS}`;

const OPTIONS = { partitions: { type: 'boolean', default: false } };

/** @returns {Promise<number>} the exit code: 1 if the stream does not exist */
async function run(args) {
  const { values, words } = parse(args, { help: HELP, options: OPTIONS, most: 1 });
  return Servers.use(values, HELP, async (servers) => {
    const found = await streamsOf(servers, words[0]);
    await addRetention(servers, found);
    const arrange = values.partitions ? withPartitions : withSums;
    const streams = arrange(found, await countsOf(servers, found, words[0]));
    if (values.json) json({ streams });
    else print(streams, words[0]);
    return words.length > 0 && streams.length === 0 ? 1 : 0;
  });
}

function print(streams, name) {
  if (streams.length === 0) {
    console.log(name === undefined ? 'There are no streams.' : 'There is no such stream.');
    return;
  }
  const hasSums = streams.some(({ partitions }) => partitions !== undefined);
  const header = ['stream', ...(hasSums ? ['partitions'] : []), ...HEADER];
  const cells = streams.flatMap((stream) => rows(stream, hasSums));
  console.log(table(header, cells));
  const retained = streams.filter(({ retention }) => retention !== null);
  if (retained.length > 0) console.log(`\n${table(OF_RETENTION, retained.map(retentionRow))}`);
  if (name !== undefined) printConsumers(streams);
}

function printConsumers(streams) {
  const hasSeveral = streams.length > 1;
  const consumers = streams.flatMap((stream) => consumersOf(stream, hasSeveral));
  const header = [...(hasSeveral ? ['stream'] : []), 'group', 'consumer', 'node', 'pending', 'idle'];
  if (consumers.length > 0) console.log(`\n${table(header, consumers)}`);
}

/** Names of the columns behind those of the stream. */
const HEADER = ['node', 'length', 'delayed', 'oldest', 'group', 'consumers', 'pending', 'lag', 'oldest pending'];

function rows({ stream, partitions, node, length, delayed, oldest, groups }, hasSums) {
  const names = [stream, ...(hasSums ? [partitions ?? '-'] : [])];
  const begin = [...names, shortened(node), length, delayed ?? '-', oldest ? duration(oldest.age) : '-'];
  if (groups.length === 0) return [[...begin, '-', '-', '-', '-', '-']];
  return groups.map(({ group, consumers, pending, lag, oldestPending }) => {
    return [...begin, group, consumers.length, pending, lag, oldestPending ? duration(oldestPending.age) : '-'];
  });
}

const OF_RETENTION = ['retention of', 'node', 'removed', 'removed below', 'sent', 'slowest group', 'pending entry'];

function retentionRow({ stream, node, retention: { removed, below, heldBy } }) {
  const sent = below === null ? '-' : `${duration(below.age)} ago`;
  const holder = [heldBy?.group ?? '-', heldBy?.entry ?? '-'];
  return [stream, shortened(node), removed, below?.id ?? '-', sent, ...holder];
}

function consumersOf({ stream, node, groups }, hasSeveral) {
  const begin = hasSeveral ? [stream] : [];
  return groups.flatMap(({ group, consumers }) => {
    return consumers.map(({ name, pending, idle }) => [
      ...begin,
      group,
      name,
      shortened(node),
      pending,
      duration(idle),
    ]);
  });
}

module.exports = { HELP, run };
