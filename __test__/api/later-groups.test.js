'use strict';

/* Jobs with waitFor whose group is created after the send, so that it can begin behind their entry. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** Has the group created, by default as play() does. */
const create = ({ redis, stream, group }, id = '$') =>
  redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(group), id, 'MKSTREAM');

/** Has the group's next entry delivered, to a consumer that publishes nothing. */
async function take({ redis, stream, group }) {
  const reply = await redis.call('XREADGROUP', 'GROUP', keys.group(group), 'mute', 'STREAMS', keys.stream(stream), '>');
  return reply[0][1][0][0];
}

const acknowledge = ({ redis, stream, group }, entry) =>
  redis.call('XACK', keys.stream(stream), keys.group(group), entry);

/** Sends a job that is waited for. */
function send(scene, options) {
  const producer = options?.producer ?? scene.producer();
  const job = producer.job();
  return producer.send({ stream: scene.stream, job, waitFor: [scene.group], ...options });
}

/** Cuts the subscriber's connection, so that the producer asks for outcomes. */
async function cut(redis) {
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await until(async () => (await redis.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).includes('sub=1'));
}

/** Has the producer ask for outcomes, and waits until it has asked about an entry. */
async function ask(scene, entry) {
  const monitor = await scene.monitor();
  await cut(scene.redis);
  // The last reads of a query are about failures without a receiver.
  await until(async () => (await monitor.about(keys.unheard(entry, scene.stream, scene.group))).length > 0);
}

/** Returns the first entry of the stream. */
async function firstEntry({ redis, stream }) {
  const [[entry]] = await redis.call('XRANGE', keys.stream(stream), '-', '+', 'COUNT', 1);
  return entry;
}

/** Fails if an outcome is another than that of a job that its group does not get. */
function assertSkipped(outcome, { group, stream }) {
  assert.deepStrictEqual([outcome.name, outcome.code], ['Error', 'OUTCOME_UNKNOWN']);
  assert.ok(outcome.message.startsWith(`Group ${group} was created on stream ${stream} after the job was sent`));
  assert.match(outcome.message, /play\(\) comes before send\(\)/);
}

ours('a durable job whose group begins behind its entry has the outcome OUTCOME_UNKNOWN', async (_, scene) => {
  const job = await send(scene, { durable: true });
  const ran = [];
  await scene.play(async ({ id }) => ran.push(id));
  const { [scene.group]: outcome } = await job.finished();
  assertSkipped(outcome, scene);
  assert.deepStrictEqual(ran, []);
});

ours('a group that is created behind a later entry does not count as done either', async (_, scene) => {
  const job = await send(scene, { durable: true, rejectOnError: true });
  const later = scene.producer();
  for (let at = 0; at < 3; at++) await later.send({ stream: scene.stream, job: later.job() });
  const ran = [];
  await scene.play(async ({ id }) => ran.push(id));
  const last = await later.send({ stream: scene.stream, job: later.job() });
  await until(() => ran.length > 0);
  await ask(scene, await firstEntry(scene));
  await cut(scene.redis);
  const completions = await job.finished().then(assert.fail, (reason) => reason);
  assertSkipped(completions[scene.group], scene);
  assert.deepStrictEqual(ran, [last.id]);
});

ours('a job that is not durable has this outcome after a reconnection', async (_, scene) => {
  const job = await send(scene);
  await create(scene);
  await ask(scene, await firstEntry(scene));
  await cut(scene.redis);
  assertSkipped((await job.finished())[scene.group], scene);
});

ours('a later group that begins before the entry runs the job', async (_, scene) => {
  const job = await send(scene, { durable: true });
  const ran = [];
  await scene.play(async ({ id }) => ran.push(id), { fromId: '0' });
  assert.ok((await job.finished())[scene.group] instanceof Date);
  assert.deepStrictEqual(ran, [job.id]);
});

ours('a record of a later group gives the outcome of a missed completion', async (_, scene) => {
  const { redis, stream, group } = scene;
  const job = await send(scene, { durable: true });
  await create(scene, '0');
  const entry = await take(scene);
  await redis.call('SET', keys.record(entry, stream, group), JSON.stringify({ str: stream, grp: group, job: job.id }));
  await acknowledge(scene, entry);
  await cut(redis);
  assert.ok((await job.finished())[group] instanceof Date);
});

ours('a later group that was seen to have the entry has succeeded when it acknowledges it', async (_, scene) => {
  const job = await send(scene);
  await create(scene, '0');
  const entry = await take(scene);
  await ask(scene, entry);
  await acknowledge(scene, entry);
  await cut(scene.redis);
  assert.ok((await job.finished())[scene.group] instanceof Date);
});

ours('a group is known once it has completed a job, so that a later missed success counts', async (_, scene) => {
  const producer = scene.producer();
  const first = await send(scene, { producer });
  await create(scene, '0');
  await acknowledge(scene, await take(scene));
  await scene.complete(first.id, producer.id);
  await first.finished();
  const second = await send(scene, { producer });
  await acknowledge(scene, await take(scene));
  await cut(scene.redis);
  assert.ok((await second.finished())[scene.group] instanceof Date);
});

ours('a group that was destroyed and created again behind the entry does not count as done', async (_, scene) => {
  const { redis, stream, group } = scene;
  const producer = scene.producer();
  await create(scene);
  const first = await send(scene, { producer });
  await redis.call('XGROUP', 'DESTROY', keys.stream(stream), keys.group(group));
  await ask(scene, await firstEntry(scene));
  await scene.complete(first.id, producer.id);
  await first.finished();
  const second = await send(scene, { producer });
  await create(scene);
  const [, [entry]] = await redis.call('XRANGE', keys.stream(stream), '-', '+');
  await ask(scene, entry);
  await cut(redis);
  assertSkipped((await second.finished())[group], scene);
});

ours('a producer asks for the groups of a stream once, and only if it waits for one', async (_, scene) => {
  await scene.play(async () => {});
  const producer = scene.producer();
  const monitor = await scene.monitor();
  await producer.send({ stream: scene.stream, job: producer.job() });
  assert.deepStrictEqual(await monitor.named('XINFO'), []);
  for (let at = 0; at < 5; at++) await (await send(scene, { producer })).finished();
  assert.strictEqual((await monitor.named('XINFO')).length, 1);
});
