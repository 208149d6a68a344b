'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');

const LARGE = 'x'.repeat(5_000_000);

ours('a pipeline that exceeds the queue limit is rejected whole, and the connection continues', async (_, scene) => {
  const client = scene.connect({ maxQueuedBytes: 8_000_000 }).getClient('mine');
  await client.ping();
  const [first, second, third] = ['first', 'second', 'third'].map((name) => scene.name(name));
  const commands = [
    ['set', first, LARGE],
    ['set', second, LARGE],
    ['set', third, 1],
  ];
  const results = await client.pipeline(commands).exec();
  assert.deepStrictEqual(
    results.map(([error]) => error?.code),
    ['REQUEST_TOO_LARGE', 'REQUEST_TOO_LARGE', 'REQUEST_TOO_LARGE'],
  );
  assert.strictEqual(await client.exists(first, second, third), 0);
});

ours('a push that exceeds the queue limit writes none of its keys', async (_, scene) => {
  const producer = scene.producer(scene.connect({ maxQueuedBytes: 8_000_000 }));
  const [job, other] = [producer.job(), producer.job()];
  await other.set('a', 1).push();
  const refused = job.set('first', LARGE).set('second', LARGE).set('third', 1).push();
  const written = other.set('a', 2).push();
  await assert.rejects(refused, { code: 'REQUEST_TOO_LARGE' });
  await written;
  const keys = ['first', 'second', 'third'].map((key) => job.prefix(key));
  assert.strictEqual(await scene.redis.call('EXISTS', ...keys), 0);
});
