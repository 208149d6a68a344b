'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { LONGEST_TIMER } = require('../facade/support/constants.js');
const { countsOf } = require('../inspection/partitions/partition-counts.js');
const { withPartitions, withSums } = require('../inspection/partitions/stream-sums.js');
const { streamsOf } = require('../inspection/streams.js');
const { HELP_OF_BUS, count, parse } = require('./arguments.js');
const { shortened, table } = require('./output.js');
const { AlternateScreen } = require('./alternate-screen.js');
const { Servers } = require('./servers.js');
const { shutdownSignal } = require('./shutdown-signal.js');

const HELP = `Usage: hfxbus watch [stream] [options]

Shows rates until Ctrl-C: entries added to each stream, and delivered to and settled by each group, per second.
A partitioned stream has the sums of its partitions.

  --partitions       shows each partition of a partitioned stream, and no sums
  --interval <ms>    time between two samples, in ms, from 50 on. Default 1000
  --count <n>        number of samples. Default no limit
${HELP_OF_BUS}; a line for each sample`;

const OPTIONS = {
  partitions: { type: 'boolean', default: false },
  interval: { type: 'string', default: '1000' },
  count: { type: 'string' },
};

/** @returns {Promise<number>} the exit code */
async function run(args) {
  const { values, words } = parse(args, { help: HELP, options: OPTIONS, most: 1, check });
  const ending = new AbortController();
  shutdownSignal().then(() => ending.abort());
  // The reader of the output has closed the pipe.
  process.stdout.once('error', () => ending.abort());
  return Servers.use(values, HELP, async (servers) => {
    const screen = new AlternateScreen(process.stdout, !values.json);
    try {
      for await (const rates of samples(servers, words[0], values, ending.signal)) {
        screen.show(values.json ? JSON.stringify(rates) : page(rates));
      }
      return 0;
    } finally {
      screen.leave();
    }
  });
}

function check({ interval, count: most }) {
  count('interval', interval, 50);
  if (most !== undefined) count('count', most, 1);
}

/** Yields the rates between two samples, until the signal aborts. */
async function* samples(servers, name, { partitions, interval, count: most = Infinity }, signal) {
  const arrange = partitions ? withPartitions : withSums;
  let before = await sample(servers, name, arrange);
  for (let left = Number(most); left > 0 && (await passes(Number(interval), signal)); left--) {
    const now = await sample(servers, name, arrange);
    yield rates(before, now);
    before = now;
  }
}

/** @returns {Promise<boolean>} false if the signal aborted first */
async function passes(ms, signal) {
  await sleep(Math.min(ms, LONGEST_TIMER), undefined, { signal }).catch(() => {});
  return !signal.aborted;
}

async function sample(servers, name, arrange) {
  const [at, time] = [performance.now(), new Date().toISOString()];
  const found = await streamsOf(servers, name);
  return { at, time, streams: arrange(found, await countsOf(servers, found, name)) };
}

function rates(before, now) {
  const seconds = (now.at - before.at) / 1000;
  const perSecond = (difference) => (difference === null ? null : Math.max(0, Math.round(difference / seconds)));
  const streams = now.streams.map((stream) => {
    const old = before.streams.find((other) => isSame(other, stream));
    return {
      stream: stream.stream,
      ...(stream.partitions !== undefined && { partitions: stream.partitions }),
      node: stream.node,
      length: stream.length,
      added: perSecond(grown(old?.added, stream.added)),
      groups: stream.groups.map((group) => groupRates(oldOf(old, group), group, perSecond)),
    };
  });
  return { time: now.time, streams };
}

/** Returns true for the same stream. The partitions of a partitioned stream can come to further nodes. */
function isSame(left, right) {
  if (left.stream !== right.stream) return false;
  if (left.partitions === undefined || right.partitions === undefined)
    return left.partitions === right.partitions && left.node === right.node;
  return true;
}

function oldOf(stream, { group }) {
  return stream?.groups.find((other) => other.group === group);
}

/** Counts an entry as settled if it was delivered and is not pending any more. */
function groupRates(old, { group, read, pending, lag, consumers }, perSecond) {
  const delivered = grown(old?.read, read);
  const settled = delivered === null ? null : delivered - (pending - old.pending);
  const counts = { pending, lag, consumers: consumers.length };
  return { group, delivered: perSecond(delivered), settled: perSecond(settled), ...counts };
}

/** Returns the growth of a count; `null` if either value is unknown, as before Redis 7. */
function grown(before, now) {
  return typeof before === 'number' && typeof now === 'number' ? now - before : null;
}

const OF_STREAM = ['node', 'length', 'added/s'];
const OF_GROUP = ['group', 'delivered/s', 'settled/s', 'pending', 'lag', 'consumers'];

function page({ time, streams }) {
  if (streams.length === 0) return `${time}\nThere are no streams.\n`;
  const hasSums = streams.some(({ partitions }) => partitions !== undefined);
  const header = ['stream', ...(hasSums ? ['partitions'] : []), ...OF_STREAM, ...OF_GROUP];
  const cells = streams.flatMap((stream) => rows(stream, hasSums));
  return `${time}\n${table(header, cells)}\n`;
}

function rows({ stream, partitions, node, length, added, groups }, hasSums) {
  const begin = [stream, ...(hasSums ? [partitions ?? '-'] : []), shortened(node), length, added];
  if (groups.length === 0) return [[...begin, ...OF_GROUP.map(() => '-')]];
  return groups.map(({ group, delivered, settled, pending, lag, consumers }) => {
    return [...begin, group, delivered, settled, pending, lag, consumers];
  });
}

module.exports = { HELP, run };
