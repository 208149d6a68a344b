'use strict';

const { holdingEntry, retainedStreams } = require('../inspection/held-streams.js');
const { entriesOf, payloadOf } = require('../inspection/job-search.js');
const { countsOf, groupedByStream } = require('../inspection/partitions/partition-counts.js');
const { streamsOf } = require('../inspection/streams.js');
const { HELP_OF_BUS, parse } = require('./arguments.js');
const { duration, json, printable, table } = require('./output.js');
const { Servers } = require('./servers.js');

const HELP = `Usage: hfxbus why <jobId> [options]

Shows the entries of a job in all streams, its state for each group (waiting, pending or done; for pending the
owner, idle time and number of deliveries), and its payload keys. Reads every entry of the streams, and scans
every key of the database.

  --stream <name>    searches this stream only, with all of its partitions
${HELP_OF_BUS}`;

const OPTIONS = { stream: { type: 'string' } };

/** @returns {Promise<number>} the exit code: 1 if the job has no entry and no payload key */
async function run(args) {
  const { values, words } = parse(args, { help: HELP, options: OPTIONS, least: 1 });
  const [jobId] = words;
  return Servers.use(values, HELP, async (servers) => {
    const begin = `${servers.prefix}:job:${jobId}:`;
    const streams = streamsOf(servers, values.stream);
    const [entries, perServer] = await Promise.all([
      streams.then((found) => entriesOf(found, jobId)),
      Promise.all(servers.all.map((server) => payloadOf(server, begin))),
    ]);
    const payload = perServer.flat();
    if (values.json) json({ jobId, entries, payload });
    else {
      const retained = await retainedStreams(servers);
      const counts = await countsOf(servers, named(retained));
      print({ jobId, entries, payload, retained, counts, streams: await streams });
    }
    return entries.length + payload.length > 0 ? 0 : 1;
  });
}

function print({ jobId, entries, payload, retained, counts, streams }) {
  const removal = removalBy(retained, counts);
  if (entries.length + payload.length === 0) {
    console.log(`Job ${printable(jobId)} has no entry in a stream, and no payload.${removal}`);
    return;
  }
  const header = ['stream', 'node', 'entry', 'sent', 'group', 'state', 'owner', 'idle', 'deliveries'];
  console.log(
    entries.length > 0 ? table(header, entries.flatMap(rows)) : `The job has no entry in a stream.${removal}`,
  );
  for (const { stream, deadLetter } of entries.filter((entry) => entry.deadLetter)) {
    const { group, stream: from, reason } = deadLetter;
    console.log(printable(`In ${stream}, dead-lettered by ${group} of ${from}: ${reason}`));
  }
  for (const { stream, carried } of entries.filter((entry) => entry.carried.length > 0)) {
    console.log(printable(`The entry in ${stream} carries ${carried.join(', ')}`));
  }
  for (const { id, stream } of entries.filter((entry) => isHolding(entry, streams, retained))) {
    console.log(printable(`The entry ${id} holds the entries behind it in ${stream}, since it is pending`));
  }
  const keys = payload.map(({ key, node, bytes, ttl }) => [key, node, bytes, duration(ttl) ?? 'never']);
  const text = keys.length > 0 ? table(['payload', 'node', 'bytes', 'expires in'], keys) : 'There is no payload key.';
  console.log(`\n${text}`);
}

/** Returns true if retention removes no entry behind this one, which is pending. */
function isHolding({ id, stream, node }, streams, retained) {
  if (!retained.has(stream)) return false;
  return streams.some((one) => one.stream === stream && one.node === node && holdingEntry(one) === id);
}

/** Returns the sentence about entries that retention has removed; empty without retention. */
function removalBy(retained, counts) {
  if (retained.size === 0) return '';
  const { others, partitions } = groupedByStream(named(retained), counts);
  const names = [...others.map(({ stream }) => stream), ...partitions.keys()];
  return printable(` Entries that every group has acknowledged are removed from ${names.sort().join(', ')}.`);
}

/** Returns streams of which only the names are known. */
function named(names) {
  return [...names].map((stream) => ({ stream }));
}

function rows({ stream, node, id, age, groups }) {
  const begin = [stream, node, id, `${duration(age)} ago`];
  if (groups.length === 0) return [[...begin, '-', 'no groups', '-', '-', '-']];
  return groups.map(({ group, state, owner, idle, deliveries }) => {
    return [...begin, group, state, owner ?? '-', duration(idle) ?? '-', deliveries ?? '-'];
  });
}

module.exports = { HELP, run };
