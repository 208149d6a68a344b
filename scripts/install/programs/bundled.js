'use strict';

const { ConnectionManager, Consumer, Producer } = require('hfxbus');
const { EmbeddedRedis } = require('hfxbus/testing');

async function roundTrip(url) {
  const connection = ConnectionManager.standalone(url);
  const consumer = new Consumer(connection, { group: 'bundlers' });
  consumer.process({ stream: 'bundles', processor: async (job) => job.set('value', 'bundled').push() });
  await consumer.play();
  const producer = new Producer(connection);
  const job = producer.job();
  await producer.send({ stream: 'bundles', job, waitFor: ['bundlers'] });
  await job.finished(10_000);
  console.log((await job.get('value', false).del('value').pull()).value);
  await connection.stop();
}

async function main() {
  await roundTrip(process.env.REDIS_URL);
  const redis = await EmbeddedRedis.start();
  await roundTrip(redis.url);
  await redis.stop();
}

main();
