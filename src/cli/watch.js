'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { LONGEST_TIMER } = require('../facade/support/constants.js');
const { streamsOf } = require('../inspection/streams.js');
const { HELP_OF_BUS, count, parse } = require('./arguments.js');
const { table } = require('./output.js');
const { AlternateScreen } = require('./alternate-screen.js');
const { Servers } = require('./servers.js');
const { shutdownSignal } = require('./shutdown-signal.js');

const HELP = `Usage: hfxbus watch [stream] [options]

Shows rates until Ctrl-C: entries added to each stream, and delivered to and settled by each group, per second.

  --interval <ms>    time between two samples, in ms, from 50 on. Default 1000
  --count <n>        number of samples. Default no limit
${HELP_OF_BUS}; a line for each sample`;

const OPTIONS = { interval: { type: 'string', default: '1000' }, count: { type: 'string' } };

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
async function* samples(servers, name, { interval, count: most = Infinity }, signal) {
  let before = await sample(servers, name);
  for (let left = Number(most); left > 0 && (await passes(Number(interval), signal)); left--) {
    const now = await sample(servers, name);
    yield rates(before, now);
    before = now;
  }
}

/** @returns {Promise<boolean>} false if the signal aborted first */
async function passes(ms, signal) {
  await sleep(Math.min(ms, LONGEST_TIMER), undefined, { signal }).catch(() => {});
  return !signal.aborted;
}

async function sample(servers, name) {
  const at = performance.now();
  return { at, time: new Date().toISOString(), streams: await streamsOf(servers, name) };
}

function rates(before, now) {
  const seconds = (now.at - before.at) / 1000;
  const perSecond = (difference) => (difference === null ? null : Math.max(0, Math.round(difference / seconds)));
  const streams = now.streams.map((stream) => {
    const old = before.streams.find((other) => other.stream === stream.stream && other.node === stream.node);
    return {
      stream: stream.stream,
      node: stream.node,
      length: stream.length,
      added: perSecond(grown(old?.added, stream.added)),
      groups: stream.groups.map((group) => groupRates(oldOf(old, group), group, perSecond)),
    };
  });
  return { time: now.time, streams };
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

const OF_STREAM = ['stream', 'node', 'length', 'added/s'];
const OF_GROUP = ['group', 'delivered/s', 'settled/s', 'pending', 'lag', 'consumers'];
const HEADER = [...OF_STREAM, ...OF_GROUP];

function page({ time, streams }) {
  return `${time}\n${streams.length > 0 ? table(HEADER, streams.flatMap(rows)) : 'There are no streams.'}\n`;
}

function rows({ stream, node, length, added, groups }) {
  const begin = [stream, node, length, added];
  if (groups.length === 0) return [[...begin, ...OF_GROUP.map(() => '-')]];
  return groups.map(({ group, delivered, settled, pending, lag, consumers }) => {
    return [...begin, group, delivered, settled, pending, lag, consumers];
  });
}

module.exports = { HELP, run };
