'use strict';

const { Child } = require('../support/child.js');
const { keys } = require('../support/keys.js');
const { RedisServer } = require('../support/redis-server.js');
const { everySubject } = require('../support/implementations.js');
const { until } = require('../support/wait-until.js');
const { ConnectionManager, Producer } = require('../../index.js');

const OURS = everySubject.find(({ env }) => env === 'ours');
const STREAM = keys.stream('mails');
const PATIENCE = { timeout: 20000 };

/**
 * A bus where something went wrong: of the jobs `held` and `done` in the stream `mails` the consumer of the group `mailer`
 * did the second, and was killed over the first; then came `late`. The group `archive` has no consumers.
 */
async function stuckBus(t, ...args) {
  const redis = await RedisServer.start(...args);
  t.after(() => redis.kill());
  await redis.call('XGROUP', 'CREATE', STREAM, keys.group('archive'), '0', 'MKSTREAM');
  const child = new Child(OURS, consume, { options: redis.options });
  t.after(() => child.kill());
  await child.says('playing');
  await produce(redis, ['held', 'done']);
  await child.says('held');
  await child.says('done');
  await until(async () => (await redis.call('XPENDING', STREAM, keys.group('mailer')))[0] === 1, PATIENCE);
  child.kill();
  await child.exit();
  await produce(redis, ['late']);
  return { redis, url: `redis://127.0.0.1:${redis.port}` };
}

async function consume({ hfxbus, options, print }) {
  const connection = hfxbus.ConnectionManager.standalone(options);
  const consumer = new hfxbus.Consumer(connection, { group: 'mailer', concurrency: 2 });
  consumer.process({
    stream: 'mails',
    processor: async (job) => {
      print(job.id);
      if (job.id === 'held') await new Promise(() => {});
    },
  });
  await consumer.play();
  print('playing');
}

async function produce(redis, jobs) {
  const connection = ConnectionManager.standalone(redis.options);
  const producer = new Producer(connection);
  for (const id of jobs) {
    const job = producer.job(id);
    await job.set('to', 'ann@example.org').push();
    await producer.send({ stream: 'mails', job });
  }
  await connection.stop();
}

module.exports = { stuckBus };
