'use strict';

const assert = require('node:assert');
const { keep } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const ID = /^[A-Za-z0-9_-]{16}$/;

keep('B.1 generated ids have 16 characters, use the whole alphabet, and differ', (_, scene) => {
  const producer = scene.producer();
  const ids = Array.from({ length: 2000 }, () => producer.job().id);
  for (const id of [...ids, producer.id, scene.consumer().id, scene.producer().id]) assert.match(id, ID);
  assert.strictEqual(new Set(ids).size, ids.length);
  assert.strictEqual(new Set(ids.join('')).size, 64);
});

keep('A.2 job(id) keeps an id, and generates one for a falsy id', (_, scene) => {
  const producer = scene.producer();
  assert.strictEqual(producer.job('mine').id, 'mine');
  assert.strictEqual(producer.job(42).id, 42);
  for (const none of [undefined, null, '', 0, false, Number.NaN]) assert.match(producer.job(none).id, ID);
});

keep('A.2 new Job(client, id) needs no producer', (_, scene) => {
  const client = { keyPrefix: 'pfx', enablePipelining: true };
  assert.strictEqual(new scene.hfxbus.Job(client, 'J2').prefix('a'), 'pfx:job:J2:a');
  assert.match(new scene.hfxbus.Job(client).id, ID);
});

keep('A.2 a consumer has the id that it was given', async (_, scene) => {
  const consumer = await scene.play(async () => {}, { id: 'me' });
  assert.strictEqual(consumer.id, 'me');
  await scene.add('job-1');
  const consumers = () => scene.redis.call('XINFO', 'CONSUMERS', keys.stream(scene.stream), keys.group(scene.group));
  const [info] = await until(async () => {
    const known = await consumers();
    return known.length > 0 && known;
  });
  assert.strictEqual(info[1], 'me');
});

keep('A.2 a number works as the id of a job everywhere', async (_, scene) => {
  const producer = scene.producer();
  const seen = [];
  await scene.play(async (job) => seen.push(job.id));
  const job = producer.job(42);
  await job.set('a', 1).push();
  assert.strictEqual(await scene.redis.call('GET', keys.payload(42, 'a')), '1');
  await producer.send({ stream: scene.stream, job });
  await until(() => seen.length === 1);
  assert.deepStrictEqual(seen, ['42']);
});
