'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { RawClient } = require('../support/raw-client.js');
const { RedisServer, freePort } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');

/** Maximum number of completions for a blocked event loop. */
const KEPT = 250000;

/** Opens a bus for a Redis that is not started yet. */
async function withoutRedis(scene, options) {
  const redis = new RedisServer(await freePort(), []);
  scene.closing(() => redis.kill());
  const retryStrategy = () => 20;
  const limits = { maxRetriesPerRequest: null, retryStrategy, ...options };
  return { redis, connection: scene.connect({ ...redis.options, ...limits }) };
}

/** Outcomes of promises: what they resolved with, or the code of their error. */
async function outcomes(promises) {
  const settled = await Promise.allSettled(promises);
  return settled.map(({ value, reason }) => value ?? reason.code);
}

const isFull = (error) => error.code === 'QUEUE_FULL';

ours('commands beyond maxQueuedCommands are rejected at once, and the others are sent in order', async (_, scene) => {
  const { redis, connection } = await withoutRedis(scene, { maxQueuedCommands: 5 });
  const producer = scene.producer(connection);
  const sends = Array.from({ length: 8 }, (_, number) => {
    const job = producer.job(`job-${number}`);
    return producer.send({ stream: scene.stream, job }).then(() => job.id);
  });
  await Promise.all(sends.slice(5).map((send) => assert.rejects(send, isFull)));
  const later = producer.send({ stream: scene.stream, job: producer.job() });
  await assert.rejects(later, { code: 'QUEUE_FULL', command: 'XADD' });
  await redis.start();
  assert.deepStrictEqual(await outcomes(sends.slice(0, 5)), ['job-0', 'job-1', 'job-2', 'job-3', 'job-4']);
  assert.strictEqual(await scene.length(scene.stream, redis), 5);
  await producer.send({ stream: scene.stream, job: producer.job() });
});

ours('commands beyond maxQueuedBytes are rejected, except one with an empty queue before it', async (_, scene) => {
  const { redis, connection } = await withoutRedis(scene, { maxQueuedBytes: 1000 });
  const producer = scene.producer(connection);
  const large = producer.job('large').set('key', Buffer.alloc(100000)).push();
  await new Promise(setImmediate);
  await assert.rejects(producer.job('small').set('key', 1).push(), isFull);
  await redis.start();
  await large;
  assert.strictEqual(await redis.call('STRLEN', keys.payload('large', 'key')), 100000);
});

ours('jobs that wait for a subscription count against the limits', async (_, scene) => {
  const { redis, connection } = await withoutRedis(scene, { maxQueuedCommands: 3 });
  const producer = scene.producer(connection);
  const send = () => producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  const sends = [send(), send(), send(), send()];
  await assert.rejects(sends[3], isFull);
  await redis.start();
  await Promise.all(sends.slice(0, 3));
  assert.strictEqual(await scene.length(scene.stream, redis), 3);
});

ours('commands that wait for the slots of a Cluster count against the limits', async (_, scene) => {
  const connection = scene.adopt(
    scene.hfxbus.ConnectionManager.cluster([await freePort()], {
      redisOptions: { maxQueuedCommands: 2 },
      clusterRetryStrategy: () => 50,
    }),
  );
  const producer = scene.producer(connection);
  const codes = [];
  for (let number = 0; number < 3; number++) {
    producer.send({ stream: scene.stream, job: producer.job() }).catch(({ code }) => codes.push(code));
    // Each in a write of its own.
    await new Promise(setImmediate);
  }
  await until(() => codes.length === 1);
  await connection.stop({ force: true });
  await until(() => codes.length === 3);
  assert.deepStrictEqual(codes, ['QUEUE_FULL', 'CONNECTION_CLOSED', 'CONNECTION_CLOSED']);
});

ours('the limits are whole numbers of at least 1', (_, scene) => {
  for (const name of ['maxQueuedCommands', 'maxQueuedBytes']) {
    const refusal = { name: 'RangeError', message: new RegExp(name) };
    assert.throws(() => scene.hfxbus.ConnectionManager.standalone({ [name]: 0 }), refusal);
    scene.hfxbus.ConnectionManager.standalone({ [name]: Infinity });
  }
});

ours('memory stays bounded while Redis is down, and is released', async (_, scene) => {
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      const connection = hfxbus.ConnectionManager.standalone({ ...options, ...data });
      const producer = new hfxbus.Producer(connection);
      const job = producer.job();
      await new Promise(setImmediate);
      global.gc();
      const before = process.memoryUsage.rss();
      let [refused, most] = [0, 0];
      for (let round = 0; round < 200; round++) {
        for (let number = 0; number < 1000; number++) {
          producer.send({ stream: 'stream', job }).catch(() => {
            refused++;
          });
        }
        await new Promise(setImmediate);
        most = Math.max(most, process.memoryUsage.rss());
      }
      print('sent', refused, most - before);
      await connection.stop({ force: true });
    },
    {
      options: { host: '127.0.0.1', port: await freePort() },
      data: { maxQueuedCommands: 10000 },
      flags: ['--expose-gc'],
    },
  );
  const [refused, growth] = await child.says('sent', 20000);
  assert.strictEqual(refused, 190000);
  assert.ok(growth < 100 * 1024 * 1024, `${growth} bytes`);
});

ours('completions for a blocked event loop are limited, and dropped ones are counted', async (_, scene) => {
  const sent = 300000;
  const redis = await scene.server('--client-output-buffer-limit', 'pubsub', '0', '0', '0');
  const producer = scene.producer(scene.connect(redis.options));
  const errors = scene.errors(producer);
  let heard = 0;
  producer.on(scene.stream, () => heard++);
  await producer.listen(scene.stream);
  const awaited = await producer.send({ stream: scene.stream, job: producer.job('awaited'), waitFor: [scene.group] });

  const message = (job) => JSON.stringify({ str: scene.stream, grp: scene.group, job });
  const client = new RawClient(redis.port);
  scene.closing(() => client.close());
  await client.call('PING');
  const script = `for i = 1, ${sent} do redis.call('PUBLISH', KEYS[1], ARGV[1]) end
    redis.call('PUBLISH', KEYS[2], ARGV[2])`;
  const [others, own] = ['nobody', producer.id].map((id) => keys.channel(scene.stream, id));
  const published = client.call('EVAL', script, 2, others, own, message('other'), message('awaited'));
  // The event loop takes nothing meanwhile.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);

  await published;
  const outcome = await awaited.finished(5000);
  assert.ok(outcome[scene.group] instanceof Date, 'what is waited for is never left out');
  const dropped = await until(() => errors.find(({ code }) => code === 'EVENTS_DROPPED'));
  assert.deepStrictEqual([heard + dropped.count, errors.length], [sent + 1, 1]);
  assert.ok(heard >= KEPT);
  const before = heard;
  await redis.call('PUBLISH', others, message('later'));
  await until(() => heard === before + 1);
});
