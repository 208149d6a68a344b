'use strict';

const { streamsOf } = require('../inspection/streams.js');
const { HELP_OF_BUS, parse } = require('./arguments.js');
const { duration, json, table } = require('./output.js');
const { Servers } = require('./servers.js');

const HELP = `Usage: hfxbus inspect [stream] [options]

Shows streams with their groups: length, delayed sends, pending entries and lag. With a stream, shows
its consumers too, and its partitions if it has any.

${HELP_OF_BUS}`;

/** @returns {Promise<number>} the exit code: 1 if the stream does not exist */
async function run(args) {
  const { values, words } = parse(args, { help: HELP, most: 1 });
  return Servers.use(values, HELP, async (servers) => {
    const streams = await streamsOf(servers, words[0]);
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
  console.log(table(HEADER, streams.flatMap(rows)));
  const consumers = streams.flatMap(consumersOf);
  if (name !== undefined && consumers.length > 0) {
    console.log(`\n${table(['group', 'consumer', 'node', 'pending', 'idle'], consumers)}`);
  }
}

const HEADER = [
  'stream',
  'node',
  'length',
  'delayed',
  'oldest',
  'group',
  'consumers',
  'pending',
  'lag',
  'oldest pending',
];

function rows({ stream, node, length, delayed, oldest, groups }) {
  const begin = [stream, node, length, delayed ?? '-', oldest ? duration(oldest.age) : '-'];
  if (groups.length === 0) return [[...begin, '-', '-', '-', '-', '-']];
  return groups.map(({ group, consumers, pending, lag, oldestPending }) => {
    return [...begin, group, consumers.length, pending, lag, oldestPending ? duration(oldestPending.age) : '-'];
  });
}

function consumersOf({ node, groups }) {
  return groups.flatMap(({ group, consumers }) => {
    return consumers.map(({ name, pending, idle }) => [group, name, node, pending, duration(idle)]);
  });
}

module.exports = { HELP, run };
