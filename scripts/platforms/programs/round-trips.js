'use strict';

const { ConnectionManager, Consumer, Producer } = require('hfxbus');
const { EmbeddedRedis } = require('hfxbus/testing');

/** Jobs after the first one, and those of them that are under way at once. */
const JOBS = 2000;
const AT_ONCE = 100;

/** Sends jobs there and back on a server, then ends everything. */
async function roundTrips(url) {
  const connection = ConnectionManager.standalone(url);
  const consumer = new Consumer(connection, { group: 'greeters', concurrency: AT_ONCE });
  consumer.process({
    stream: 'guests',
    processor: async (job) => {
      const { name } = await job.get('name', false).pull();
      job.set('greeting', `Hello ${name}!`);
    },
  });
  await consumer.play();
  const producer = new Producer(connection);
  const greet = async (name) => {
    const job = producer.job().set('name', name);
    await producer.send({ stream: 'guests', job, waitFor: ['greeters'], returns: ['greeting'], payload: 'entry' });
    await job.finished();
    const { greeting } = await job.get('greeting', false).pull();
    if (greeting !== `Hello ${name}!`) throw new Error(`the answer was ${greeting}`);
  };
  await greet('world');
  const start = Date.now();
  for (let done = 0; done < JOBS; done += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => greet(`${done + index}`)));
  }
  console.log(`${JOBS} jobs in ${Date.now() - start} ms`);
  return connection;
}

async function main([mode]) {
  console.log(`${process.platform} ${process.arch}, Node ${process.versions.node}`);
  if (mode === 'exits') {
    // The connection and the embedded server are still there when the process ends.
    await roundTrips((await EmbeddedRedis.start()).url);
    console.log('exits');
    process.exit(0);
  }
  const redis = mode === 'embedded' ? await EmbeddedRedis.start() : null;
  await (await roundTrips(redis?.url ?? process.env.REDIS_URL)).stop();
  await redis?.stop();
  console.log('stopped');
}

main(process.argv.slice(2)).catch((error) => {
  console.log(error);
  process.exit(1);
});
