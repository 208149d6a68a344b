'use strict';

const { isBehind, successor } = require('../facade/redis/entry-ids.js');
const { HELP_OF_BUS, parse } = require('./arguments.js');
const { duration, json, printable, table } = require('./output.js');
const { Servers } = require('./servers.js');
const { PAGE, withAge, keysOf, literal, pendingOf, record, streamsOf, timeOf } = require('./streams.js');

const HELP = `Usage: hfxbus why <jobId> [options]

Shows the entries of a job in all streams, its state for each group (waiting, pending or done; for pending the
owner, idle time and number of deliveries), and its payload keys. Reads every entry of the streams, and scans
every key of the database.

  --stream <name>    searches this stream only
${HELP_OF_BUS}`;

const OPTIONS = { stream: { type: 'string' } };

/** Owner of an entry that is not pending. */
const UNOWNED = { owner: null, idle: null, deliveries: null };

/** @returns {Promise<number>} the exit code: 1 if the job has no entry and no payload key */
async function run(args) {
  const { values, words } = parse(args, { help: HELP, options: OPTIONS, least: 1 });
  const [jobId] = words;
  return Servers.use(values, HELP, async (servers) => {
    const [entries, payload] = await Promise.all([
      entriesOf(servers, jobId, values.stream),
      payloadOf(servers, `${servers.prefix}:job:${jobId}:`),
    ]);
    if (values.json) json({ jobId, entries, payload });
    else print({ jobId, entries, payload });
    return entries.length + payload.length > 0 ? 0 : 1;
  });
}

async function entriesOf(servers, jobId, name) {
  const streams = await streamsOf(servers, name);
  return (await Promise.all(streams.map((stream) => entriesIn(stream, jobId)))).flat();
}

/** Resolves with the entries of a job in a stream, which is read page by page. */
async function entriesIn(stream, jobId) {
  const { client } = stream.server;
  const found = [];
  for (let from = '-'; from !== null; ) {
    const page = await client.call('xrange', stream.key, from, '+', 'COUNT', PAGE);
    const entries = page.map(([id, fields]) => [id, record(fields)]);
    found.push(...entries.filter(([, { job }]) => job === jobId));
    from = page.length < PAGE ? null : successor(page.at(-1)[0]);
  }
  const now = await timeOf(client);
  return Promise.all(found.map(([id, fields]) => entryOf(stream, withAge(id, now), fields)));
}

async function entryOf({ stream, node, key, server, groups }, { id, age }, fields) {
  const states = groups.map((group) => stateOf(server.client, key, group, id));
  return {
    stream,
    node,
    id,
    age,
    producer: fields.prd ?? null,
    // Payload keys whose values are in the entry.
    carried: Object.keys(fields).flatMap((field) => (field.startsWith('val:') ? [field.slice('val:'.length)] : [])),
    // These fields exist in a dead letter only.
    deadLetter: fields.rsn === undefined ? null : { stream: fields.str, group: fields.grp, reason: fields.rsn },
    groups: await Promise.all(states),
  };
}

/** Resolves with the state of an entry for a group. An entry older than the group counts as done. */
async function stateOf(client, key, { group, name, lastDelivered }, id) {
  if (isBehind(id, lastDelivered)) return { group, state: 'waiting', ...UNOWNED };
  const [pending] = await client.call('xpending', key, name, id, id, 1);
  return pending ? { group, state: 'pending', ...pendingOf(pending) } : { group, state: 'done', ...UNOWNED };
}

/** Resolves with the keys of a payload, without their values. */
async function payloadOf(servers, begin) {
  const perServer = servers.all.map(async (server) => {
    const keys = await keysOf(server, `${literal(begin)}*`);
    return Promise.all(keys.map((key) => sizeOf(server, key, key.slice(begin.length))));
  });
  return (await Promise.all(perServer)).flat();
}

async function sizeOf({ name: node, client }, inRedis, key) {
  const [[, bytes], [, ttl]] = await client.pipeline().strlen(inRedis).pttl(inRedis).exec();
  return { key, node, bytes: bytes ?? null, ttl: ttl >= 0 ? ttl : null };
}

function print({ jobId, entries, payload }) {
  if (entries.length + payload.length === 0) {
    console.log(`Job ${printable(jobId)} has no entry in a stream, and no payload.`);
    return;
  }
  const header = ['stream', 'node', 'entry', 'sent', 'group', 'state', 'owner', 'idle', 'deliveries'];
  console.log(entries.length > 0 ? table(header, entries.flatMap(rows)) : 'The job has no entry in a stream.');
  for (const { stream, deadLetter } of entries.filter((entry) => entry.deadLetter)) {
    const { group, stream: from, reason } = deadLetter;
    console.log(printable(`In ${stream}, dead-lettered by ${group} of ${from}: ${reason}`));
  }
  for (const { stream, carried } of entries.filter((entry) => entry.carried.length > 0)) {
    console.log(printable(`The entry in ${stream} carries ${carried.join(', ')}`));
  }
  const keys = payload.map(({ key, node, bytes, ttl }) => [key, node, bytes, duration(ttl) ?? 'never']);
  const text = keys.length > 0 ? table(['payload', 'node', 'bytes', 'expires in'], keys) : 'There is no payload key.';
  console.log(`\n${text}`);
}

function rows({ stream, node, id, age, groups }) {
  const begin = [stream, node, id, `${duration(age)} ago`];
  if (groups.length === 0) return [[...begin, '-', 'no groups', '-', '-', '-']];
  return groups.map(({ group, state, owner, idle, deliveries }) => {
    return [...begin, group, state, owner ?? '-', duration(idle) ?? '-', deliveries ?? '-'];
  });
}

module.exports = { HELP, run };
