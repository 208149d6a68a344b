'use strict';

const { once } = require('node:events');
const { HistoryEntry } = require('../facade/api/history/history-entry.js');
const { put } = require('../facade/api/payload/payload-values.js');
const { partitionCounts } = require('../inspection/partitions/partition-counts.js');
const { withPartitions } = require('../inspection/partitions/stream-sums.js');
const { streamsOf } = require('../inspection/streams.js');
const { HELP_OF_BUS, count, parse } = require('./arguments.js');
const { Servers } = require('./servers.js');
const { shutdownSignal } = require('./shutdown-signal.js');
const { OPTIONS, checkPosition, timeOf } = require('./start-position.js');

const HELP = `Usage: hfxbus export <stream> [options] > file

Writes the entries of a stream, one JSON object a line, the oldest first. Bytes that are not JSON are { "base64": … }.
Entries that were removed beneath the position are reported on stderr, and the exit code is 1.

  --from <id>        id after which to begin. 0 reports earlier removals too. Default the oldest entry
  --since <time>     time of the first entry: ISO 8601, or ms since 1970
  --until <time>     time after the last entry
  --count <n>        maximum number of entries
  --keys <a,b>       payload keys to read for each entry, beside the values that it carries
  --follow           goes on with new entries, until Ctrl-C. Needs one --url
${HELP_OF_BUS}; the output is JSON in any case`;

/** Number of entries whose payload keys are read at once. */
const AT_ONCE = 64;

/** @returns {Promise<number>} the exit code: 1 if the stream does not exist, or entries were removed */
async function run(args) {
  const options = {
    ...OPTIONS,
    until: { type: 'string' },
    count: { type: 'string' },
    keys: { type: 'string' },
    follow: { type: 'boolean', default: false },
  };
  const { values, words } = parse(args, { help: HELP, options, least: 1, check });
  const ending = new AbortController();
  if (values.follow) shutdownSignal().then(() => ending.abort());
  // The reader of the output has closed the pipe.
  process.stdout.once('error', () => ending.abort());
  return Servers.use(values, HELP, async (servers) => {
    try {
      return await write(servers, words[0], values, ending.signal);
    } catch (error) {
      if (ending.signal.aborted) return 0;
      throw error;
    }
  });
}

function check(values) {
  const { until, count: most, follow, url = [] } = values;
  checkPosition(values);
  if (until !== undefined) timeOf('until', until);
  if (most !== undefined) count('count', most, 1);
  if (follow && url.length > 1) throw new Error('--follow needs one --url');
}

async function write(servers, stream, values, signal) {
  const found = withPartitions(await streamsOf(servers, stream), await partitionCounts(servers, [stream]));
  const reason = refusalOf(stream, found, values);
  if (reason !== null) {
    console.error(`hfxbus: ${reason}`);
    return 1;
  }
  const bus = servers.bus();
  const hasNodes = values.url.length > 1;
  const places = found.map((one) => ({ name: one.stream, node: hasNodes ? servers.all.indexOf(one.server) : 0 }));
  const written = { left: Number(values.count ?? Infinity), gaps: 0 };
  // A stream that does not exist yet is followed.
  for (const { name, node } of places.length > 0 ? places : [{ name: stream, node: 0 }]) {
    const history = bus.historyOf(node, historyOptions(name, values, signal, written));
    await writeNode(history, { name: hasNodes ? servers.all[node].name : undefined, written, values, signal });
    if (written.left <= 0) break;
  }
  return written.gaps > 0 ? 1 : 0;
}

/** Returns the reason why a stream cannot be written, or `null`. */
function refusalOf(stream, found, { follow }) {
  if (found.length === 0 && !follow) return `there is no stream ${stream}`;
  if (found.length > 1 && follow) return `--follow needs one stream: name a partition, such as ${found[0].stream}`;
  return null;
}

function historyOptions(stream, { from, since, follow }, signal, written) {
  const onTrimmed = ({ after, count: missing }) => {
    written.gaps++;
    const entries = missing === null ? 'entries' : `${missing} entries`;
    console.error(`hfxbus: ${entries} after ${after} were removed before they were read`);
  };
  const time = since === undefined ? undefined : timeOf('since', since);
  return { stream, fromId: from, since: time, live: follow, signal, onTrimmed };
}

async function writeNode(history, { name, written, values, signal }) {
  const keys = values.keys?.split(',').filter(Boolean) ?? [];
  const end = values.until === undefined ? Infinity : timeOf('until', values.until);
  const pending = [];
  const writeFirst = async () => {
    const line = await pending.shift();
    if (!process.stdout.write(`${JSON.stringify(line)}\n`)) await once(process.stdout, 'drain', { signal });
  };
  for await (const entry of history) {
    if (written.left <= 0 || entry.date.getTime() >= end) break;
    written.left--;
    pending.push(lineOf(entry, name, keys));
    // A live entry is written at once.
    while (pending.length >= (values.follow || keys.length === 0 ? 1 : AT_ONCE)) await writeFirst();
    if (written.left <= 0) break;
  }
  while (pending.length > 0) await writeFirst();
}

async function lineOf(entry, node, keys) {
  const { id, date, stream, jobId, producerId, job } = entry;
  const line = { id, time: date.toISOString(), stream, ...(node !== undefined && { node }) };
  if (jobId === '') return { ...line, fields: written(HistoryEntry.fieldsOf(entry)) };
  const values = written(Object.entries(entry.values));
  if (keys.length > 0) {
    for (const key of keys) job.get(key);
    const pulled = await job.pull();
    for (const [key, value] of Object.entries(pulled)) put(values, key, value === null ? null : valueOfBytes(value));
  }
  return { ...line, job: jobId, producer: producerId, values };
}

/** Returns names and values as an object of JSON. */
function written(pairs) {
  const found = {};
  for (const [name, value] of pairs) put(found, name, Buffer.isBuffer(value) ? textOrBase64(value) : value);
  return found;
}

function valueOfBytes(bytes) {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return textOrBase64(bytes);
  }
}

/** Returns bytes as text, or as base64 if they are none. */
function textOrBase64(bytes) {
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : { base64: bytes.toString('base64') };
}

module.exports = { HELP, run };
