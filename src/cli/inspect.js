'use strict';

const { countsOf } = require('../inspection/partitions.js');
const { withPartitions, withSums } = require('../inspection/stream-sums.js');
const { streamsOf } = require('../inspection/streams.js');
const { HELP_OF_BUS, parse } = require('./arguments.js');
const { duration, json, shortened, table } = require('./output.js');
const { Servers } = require('./servers.js');

const HELP = `Usage: hfxbus inspect [stream] [options]

Shows streams with their groups: length, delayed sends, pending entries and lag. A partitioned stream has the sums of
its partitions. With a stream, shows its consumers too.

  --partitions       shows each partition of a partitioned stream, and no sums
${HELP_OF_BUS}`;

const OPTIONS = { partitions: { type: 'boolean', default: false } };

/** @returns {Promise<number>} the exit code: 1 if the stream does not exist */
async function run(args) {
  const { values, words } = parse(args, { help: HELP, options: OPTIONS, most: 1 });
  return Servers.use(values, HELP, async (servers) => {
    const found = await streamsOf(servers, words[0]);
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
  const consumers = streams.flatMap(consumersOf);
  if (name !== undefined && consumers.length > 0) {
    console.log(`\n${table(['group', 'consumer', 'node', 'pending', 'idle'], consumers)}`);
  }
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

function consumersOf({ node, groups }) {
  return groups.flatMap(({ group, consumers }) => {
    return consumers.map(({ name, pending, idle }) => [group, name, shortened(node), pending, duration(idle)]);
  });
}

module.exports = { HELP, run };
