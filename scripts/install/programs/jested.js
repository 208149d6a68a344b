'use strict';

const { expect, test } = require('@jest/globals');
const { ConnectionManager, Consumer, Producer } = require('hfxbus');
const { EmbeddedRedis } = require('hfxbus/testing');

test('a job gets there and back, and what comes of it is of the test’s own kind', async () => {
  const redis = await EmbeddedRedis.start();
  const connection = ConnectionManager.standalone(redis.url);
  const consumer = new Consumer(connection, { group: 'group' });
  consumer.process({ stream: 'stream', processor: async (job) => job.set('answer', ['here']).push() });
  await consumer.play();
  const producer = new Producer(connection);
  const job = producer.job();
  await producer.send({ stream: 'stream', job, waitFor: ['group'] });
  await job.finished(10_000);
  expect(await job.get('answer', false).pull()).toStrictEqual({ answer: ['here'] });
  const late = await producer.send({ stream: 'stream', job: producer.job(), waitFor: ['nobody'] });
  await expect(late.finished(10)).rejects.toBeInstanceOf(Error);
  await connection.stop({ maxWait: 1000 });
  await redis.stop();
});
