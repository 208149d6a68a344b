'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { everySubject } = require('../support/implementations.js');
const { jobs } = require('../support/stranded.js');
const { until } = require('../support/wait-until.js');

/* The program of the README of 2.2.0, which removes its input before it works. */

const EAGER = { claimInterval: 20, claimDeadline: 50, retryLimit: 1000 };
const JOBS = 100;
const original = require(everySubject.find(({ env }) => env === 'original').file);

/** Program of the README of 2.2.0: its input is gone from Redis before its work begins. */
function reading(seen, work = async () => {}) {
  return async (job) => {
    const { inbound } = await job.get('inbound', false).del('inbound').pull();
    seen.push([job.id, inbound]);
    await work(job);
    await job.set('outbound', `${inbound} world!`).push();
  };
}

/** Sends jobs whose input is their own id. */
async function sendAll(scene, send) {
  const producer = scene.producer();
  const sending = jobs(JOBS).map(async (id) => {
    const job = producer.job(id);
    await job.set('inbound', id).push();
    await producer.send({ stream: scene.stream, job, ...send });
  });
  await Promise.all(sending);
}

/** Fails if an attempt has seen another value than the one that was sent, or if there were too few attempts. */
function assertSeen(seen, attempts) {
  assert.deepStrictEqual(
    seen.filter(([id, inbound]) => inbound !== id),
    [],
  );
  assert.ok(seen.length >= attempts, `${seen.length} attempts`);
  assert.strictEqual(new Set(seen.map(([id]) => id)).size, JOBS);
}

/** Names of the payload keys with the input of a job. */
async function inputs(scene) {
  const names = await scene.redis.call('KEYS', keys.payload('*', 'inbound'));
  return names.filter((name) => jobs(JOBS).some((id) => name === keys.payload(id, 'inbound')));
}

const WAYS = {
  'a carried value': {},
  'a value that is not carried, with delOnSettle': { send: { carry: false }, consumer: { delOnSettle: true } },
};

for (const [kind, { send, consumer }] of Object.entries(WAYS)) {
  ours(`${kind} is there for each attempt, and gone after the last`, async (_, scene) => {
    const [seen, failed] = [[], new Set()];
    const fail = async ({ id }) => {
      if (failed.has(id)) return;
      failed.add(id);
      throw new Error('no');
    };
    const playing = await scene.play(reading(seen, fail), { ...EAGER, ...consumer, fromId: '0', concurrency: 20 });
    const errors = scene.errors(playing);
    await sendAll(scene, send);
    await until(() => seen.length >= 2 * JOBS, { timeout: 20000, what: 'two attempts of each job' });
    await until(async () => (await scene.pending()) === 0, { timeout: 20000, what: 'every job acknowledged' });
    assertSeen(seen, 2 * JOBS);
    assert.deepStrictEqual([errors, await inputs(scene)], [[], []]);
  });
}

ours('a carried value is there for a group behind a consumer of 2.2.0 that has removed it', async (_, scene) => {
  const [old, seen] = [[], []];
  const connection = original.ConnectionManager.standalone(scene.redis.options);
  const consumer = new original.Consumer(connection, { group: 'old', blockTimeout: 50, concurrency: 20 });
  scene.closing(() => consumer.pause().then(() => connection.stop()));
  await consumer.process({ stream: scene.stream, processor: reading(old), fromId: '0' }).play();
  await sendAll(scene);
  await until(() => old.length === JOBS, { timeout: 20000, what: 'the jobs of 2.2.0' });
  assert.deepStrictEqual(await inputs(scene), []);
  await scene.play(reading(seen), { fromId: '0', concurrency: 20 });
  await until(() => seen.length >= JOBS, { timeout: 20000, what: 'the jobs of the other group' });
  assertSeen(old, JOBS);
  assertSeen(seen, JOBS);
});

ours('a carried value is there for two groups that both remove it', async (_, scene) => {
  const [first, second] = [[], []];
  await scene.play(reading(first), { group: 'first', fromId: '0', concurrency: 20 });
  await sendAll(scene);
  await until(() => first.length === JOBS && inputs(scene).then((left) => left.length === 0), { timeout: 20000 });
  await scene.play(reading(second), { group: 'second', fromId: '0', concurrency: 20 });
  await until(() => second.length === JOBS, { timeout: 20000 });
  assertSeen(first, JOBS);
  assertSeen(second, JOBS);
});

ours('with delOnSettle a value that is not carried is there until a job succeeds', async (_, scene) => {
  const producer = scene.producer();
  const job = producer.job();
  const key = keys.payload(job.id, 'inbound');
  const states = [];
  const processor = async (received) => {
    const { inbound } = await received.get('inbound', false).del('inbound').pull();
    const again = await received.get('inbound', false).pull();
    states.push([inbound, again.inbound, await scene.redis.call('EXISTS', key)]);
    if (states.length < 3) throw new Error('no');
  };
  await scene.play(processor, { ...EAGER, delOnSettle: true });
  await job.set('inbound', 'Hello').push();
  await producer.send({ stream: scene.stream, job, carry: false });
  await until(async () => (await scene.redis.call('EXISTS', key)) === 0);
  assert.deepStrictEqual(states, Array(3).fill(['Hello', null, 1]));
});
