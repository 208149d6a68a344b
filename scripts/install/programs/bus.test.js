'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { ConnectionManager, Consumer, Producer } = require('hfxbus');
const { EmbeddedRedis } = require('hfxbus/testing');

test('a job gets there and back, on the embedded server', async () => {
  const redis = await EmbeddedRedis.start();
  const connection = ConnectionManager.standalone(redis.url);
  const consumer = new Consumer(connection, { group: 'group' });
  consumer.process({ stream: 'stream', processor: async (job) => job.set('answer', 'here').push() });
  await consumer.play();
  const producer = new Producer(connection);
  await producer.listen();
  const job = producer.job();
  await producer.send({ stream: 'stream', job, waitFor: ['group'] });
  await job.finished();
  assert.deepStrictEqual(await job.get('answer', false).pull(), { answer: 'here' });
  await connection.stop({ maxWait: 1000 });
  await redis.stop();
});
