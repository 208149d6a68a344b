'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { FakeRedis } = require('../support/fake-redis.js');
const { keys } = require('../support/keys.js');
const { stays, until } = require('../support/wait-until.js');

/** Connects again quickly, so that no case waits for what others wait for in earnest. */
const QUICK = { retryStrategy: () => 10 };

/** A bus on a server that is not there, and may come up later. */
async function absent(scene, options) {
  const redis = await scene.server();
  redis.kill();
  return { redis, connection: scene.connect({ ...redis.options, ...QUICK, ...options }) };
}

async function isReading(redis) {
  return /blocked_clients:1/.test(await redis.call('INFO', 'clients'));
}

/** Sends a job, and waits until it ran and its completion arrived. */
async function roundTrip(scene, producer) {
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  const completions = await job.finished(8000);
  assert.ok(completions[scene.group] instanceof Date);
}

keep('B-115 calls made while Redis is down complete once it is up', async (_, scene) => {
  const { redis, connection } = await absent(scene, { maxRetriesPerRequest: null });
  const producer = scene.producer(connection);
  const consumer = scene.consumer({}, connection).process({ stream: scene.stream, processor: async () => {} });
  const asked = [
    producer.listen(),
    consumer.play(),
    producer.job('job-1').set('a', 1).push(),
    producer.send({ stream: 'elsewhere', job: producer.job() }),
  ];
  let settled = 0;
  for (const promise of asked) promise.finally(() => settled++);
  await stays(() => settled === 0, 50);
  await redis.start();
  await Promise.all(asked);
  assert.deepStrictEqual(await producer.job('job-1').get('a', false).pull(), { a: 1 });
  await roundTrip(scene, producer);
});

keep('B-115 without a retryStrategy the delay grows by 50 ms with each failed attempt', async (_, scene) => {
  const fake = await FakeRedis.start(
    () => undefined,
    (socket) => socket.destroy(),
  );
  const client = scene.connect(fake.options).getClient('mine');
  client.on('error', () => {});
  await until(() => fake.connected.length >= 5);
  client.disconnect();
  fake.close();
  const waits = fake.connected.slice(1, 5).map((at, index) => at - fake.connected[index]);
  // A busy machine makes a wait longer, never shorter.
  for (const [index, wait] of waits.entries()) assert.ok(wait > 50 * (index + 1) - 5, `${waits}`);
  assert.ok(waits[0] < 500, `${waits}`);
});

keep('B-115 B-117 retryStrategy is called with the number of failed attempts', async (_, scene) => {
  const asked = [];
  const retryStrategy = (times) => {
    asked.push(times);
    return times < 4 ? 5 : null;
  };
  const { connection } = await absent(scene, { retryStrategy });
  await assert.rejects(scene.producer(connection).listen(), { message: 'Connection is closed.' });
  assert.deepStrictEqual(asked, [1, 2, 3, 4]);
});

keep('B-117 after maxRetriesPerRequest waiting calls reject, and later calls wait anew', async (_, scene) => {
  const { redis, connection } = await absent(scene, { maxRetriesPerRequest: 2 });
  const producer = scene.producer(connection);
  const failure = {
    name: 'MaxRetriesPerRequestError',
    message: /^Reached the max retries per request limit \(which is 2\)/,
  };
  const consumer = scene.consumer({}, connection).process({ stream: scene.stream, processor: async () => {} });
  await Promise.all([
    assert.rejects(producer.listen(), failure),
    assert.rejects(producer.send({ stream: scene.stream, job: producer.job() }), failure),
    assert.rejects(consumer.play(), failure),
  ]);
  await redis.start();
  await producer.listen();
  await consumer.play();
  await roundTrip(scene, producer);
});

keep('B-117 when retryStrategy gives up all calls reject', async (_, scene) => {
  const { connection } = await absent(scene, { retryStrategy: () => null });
  const producer = scene.producer(connection);
  const consumer = scene.consumer({}, connection).process({ stream: scene.stream, processor: async () => {} });
  const failure = { message: 'Connection is closed.' };
  await Promise.all([
    assert.rejects(producer.listen(), failure),
    assert.rejects(consumer.play(), failure),
    assert.rejects(producer.send({ stream: scene.stream, job: producer.job() }), failure),
  ]);
});

keep('B-117 without enableOfflineQueue calls that cannot be sent at once reject', async (_, scene) => {
  const { connection } = await absent(scene, { enableOfflineQueue: false });
  const producer = scene.producer(connection);
  const consumer = scene.consumer({}, connection).process({ stream: scene.stream, processor: async () => {} });
  const failure = /enableOfflineQueue/;
  await assert.rejects(producer.listen(), failure);
  await assert.rejects(producer.send({ stream: scene.stream, job: producer.job() }), failure);
  await assert.rejects(consumer.play(), failure);
});

keep('B-117 with maxRetriesPerRequest null calls wait without limit', async (_, scene) => {
  let attempts = 0;
  const retryStrategy = () => {
    attempts++;
    return 1;
  };
  const { redis, connection } = await absent(scene, { maxRetriesPerRequest: null, retryStrategy });
  const producer = scene.producer(connection);
  const sent = producer.send({ stream: scene.stream, job: producer.job() });
  let isSettled = false;
  sent.finally(() => {
    isSettled = true;
  });
  await until(() => attempts > 60);
  assert.strictEqual(isSettled, false);
  await redis.start();
  await sent;
  assert.strictEqual(await scene.length(scene.stream, redis), 1);
});

keep('B-116 dropped connections reconnect and subscribe again, and jobs continue', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect({ ...redis.options, ...QUICK });
  const producer = scene.producer(connection);
  await producer.listen();
  await scene.play(async () => {}, { connection, blockTimeout: 300 });
  await roundTrip(scene, producer);
  for (const type of ['normal', 'pubsub']) await redis.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
  await until(async () => /psub=[1-9]| sub=[1-9]/.test(await redis.call('CLIENT', 'LIST')));
  await roundTrip(scene, producer);
});

keep('B-116 a command whose reply was lost with the connection is sent again', async (_, scene) => {
  const redis = await scene.server();
  const producer = scene.producer(scene.connect({ ...redis.options, ...QUICK }));
  await producer.job().set('a', 1).push();
  await producer.send({ stream: scene.stream, job: producer.job() });
  await redis.call('CLIENT', 'PAUSE', '20000', 'WRITE');
  const sent = producer.send({ stream: scene.stream, job: producer.job() });
  await until(async () => /flags=b/.test(await redis.call('CLIENT', 'LIST')));
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await redis.call('CLIENT', 'UNPAUSE');
  await sent;
  assert.strictEqual(await scene.length(scene.stream, redis), 2);
});

fix('B-116 B-076 after Redis restarts empty, groups, subscriptions and jobs work again', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect({ ...redis.options, ...QUICK });
  const producer = scene.producer(connection);
  await producer.listen();
  const consumer = await scene.play(async () => {}, { connection });
  const errors = scene.errors(consumer);
  await roundTrip(scene, producer);
  await redis.restart();
  await roundTrip(scene, producer);
  assert.ok(errors.length <= 2, errors.map(({ message }) => message).join(', '));
});

fix('B-117 a consumer reports a lost Redis, reads on when it is back, and causes no storm', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect({ ...redis.options, ...QUICK, maxRetriesPerRequest: 20 });
  let ran = 0;
  const consumer = await scene.play(async () => ran++, { connection });
  const errors = scene.errors(consumer);
  await until(() => isReading(redis));
  redis.kill();
  await until(() => errors.some(({ name }) => name === 'MaxRetriesPerRequestError'));
  const reported = errors.slice(0, 2).map(({ code, errno, name }) => [code, errno, name]);
  assert.deepStrictEqual(reported, [
    ['CONSUME_ERROR', 'CONSUME_ERROR', 'Error'],
    ['CONSUME_ERROR', 'CONSUME_ERROR', 'MaxRetriesPerRequestError'],
  ]);
  await redis.start();
  const producer = scene.producer(connection);
  await until(async () => {
    await producer.send({ stream: scene.stream, job: producer.job() });
    return ran > 0;
  });
});

fix('B-106 a lost connection is reported once, when its state changes, and nothing is printed', async (_, scene) => {
  const redis = await scene.server();
  const child = scene.child(
    ({ hfxbus, options, data, print }) => {
      const connection = hfxbus.ConnectionManager.standalone({ ...options, maxRetriesPerRequest: null });
      const consumer = new hfxbus.Consumer(connection, { group: 'g' });
      const producer = new hfxbus.Producer(connection);
      consumer.on('error', ({ code, message }) => print('error', code, message));
      consumer.process({ stream: data, processor: () => print('ran') });
      const main = async () => {
        await producer.listen();
        await consumer.play();
        process.once('SIGUSR2', async () => {
          await producer.send({ stream: data, job: producer.job(), waitFor: ['g'] });
          await connection.stop();
          print('stopped');
        });
      };
      main();
    },
    { options: redis.options, data: scene.stream },
  );
  await until(() => isReading(redis));
  redis.kill();
  await child.says('error');
  await redis.start();
  child.signal('SIGUSR2');
  await child.says('stopped');
  const { code } = await child.exit();
  const reported = child.printed.filter(([word]) => word === 'error').map(([, ...error]) => error);
  // Redis came back empty, which is another matter.
  const others = reported.filter(([, message]) => !message.startsWith('NOGROUP'));
  assert.deepStrictEqual(others, [['CONSUME_ERROR', 'Connection is closed.']]);
  assert.ok(reported.length <= 2);
  assert.deepStrictEqual([code, child.stdout, child.stderr], [0, '', '']);
});

fix('B-071 a deadline that passes while Redis is down is a REJECT_JOB_ERROR, and frees the slot', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect({ ...redis.options, ...QUICK, maxRetriesPerRequest: 3 });
  const consumer = await scene.play(() => new Promise(() => {}), { connection, deadline: 1000 });
  const errors = scene.errors(consumer);
  const producer = scene.producer(connection);
  await producer.send({ stream: scene.stream, job: producer.job('job-1') });
  await until(async () => (await scene.pending({ redis })) === 1);
  redis.kill();
  const rejected = await until(() => errors.find(({ code }) => code === 'REJECT_JOB_ERROR'));
  assert.deepStrictEqual([rejected.job.id, rejected.name], ['job-1', 'MaxRetriesPerRequestError']);
  await consumer.pause(5000);
});

fix('B-072 a job that cannot be settled is reported, and stays pending', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect({ ...redis.options, ...QUICK, maxRetriesPerRequest: 1 });
  const heard = await scene.hear(keys.channel(scene.stream, '*'), redis);
  const consumer = await scene.play(
    async () => {
      redis.kill();
    },
    { connection },
  );
  const errors = scene.errors(consumer);
  // The server may be gone before it has answered.
  scene.add('job-1', { redis }).catch(() => {});
  const rejected = await until(() => errors.find(({ code }) => code === 'REJECT_JOB_ERROR'));
  assert.deepStrictEqual([rejected.job.id, heard], ['job-1', []]);
});
