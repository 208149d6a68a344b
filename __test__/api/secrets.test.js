'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { visible } = require('../support/visible.js');

const SECRET = 's3cret-of-the-bus';

/** A bus's objects, and the errors that they gave. */
async function objectsOf(scene, connection) {
  const producer = scene.producer(connection);
  const consumer = scene.consumer({}, connection).process({ stream: scene.stream, processor: async () => {} });
  const errors = [...scene.errors(producer), ...scene.errors(consumer)];
  const client = connection.getClient('mine');
  client.on('error', (error) => errors.push(error));
  const job = producer.job();
  const calls = [
    () => producer.listen('a'),
    () => job.set('a', SECRET).push(),
    () => job.get('a').pull(),
    () => producer.send({ stream: scene.stream, job, waitFor: ['g'] }),
    () => consumer.play(),
    () => client.call('set', 'key', SECRET),
    () => client.call('nonsense', SECRET),
  ];
  for (const call of calls) await call().catch((error) => errors.push(error));
  return { objects: [connection, producer, consumer, job, client], errors };
}

const WAYS = {
  'that lets us in': ({ port }) => ({ host: '127.0.0.1', port, password: SECRET }),
  'that refuses us': ({ port }) => ({ host: '127.0.0.1', port, username: 'ann', password: SECRET }),
  'that is not there': () => ({ host: '127.0.0.1', port: 1, password: SECRET, retryStrategy: () => null }),
  'given as a URL': ({ port }) => ({ url: `redis://:${SECRET}@127.0.0.1:${port}` }),
};

for (const [kind, options] of Object.entries(WAYS)) {
  ours(`no object and no error shows the password, with a Redis ${kind}`, async (_, scene) => {
    const redis = await scene.server('--requirepass', SECRET);
    await redis.call('AUTH', SECRET);
    const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone(options(redis)));
    const { objects, errors } = await objectsOf(scene, connection);
    assert.ok(errors.length > 0);
    for (const value of [...objects, ...errors]) {
      assert.ok(!visible(value).includes(SECRET), `${value?.constructor?.name}: ${visible(value)}`);
    }
  });
}

ours('failures print nothing', async (_, scene) => {
  const child = scene.child(
    async ({ hfxbus, options, print }) => {
      const { ConnectionManager, Consumer, Producer } = hfxbus;
      const attempt = (call) =>
        Promise.resolve()
          .then(call)
          .catch(() => {});
      const good = ConnectionManager.standalone(options);
      const absent = ConnectionManager.standalone({ host: '127.0.0.1', port: 1, retryStrategy: () => null });
      await attempt(() => ConnectionManager.standalone({ port: -1 }));
      await attempt(() => new Producer(absent).listen());
      await attempt(() => new Producer(absent).job().set('a', 1).push());
      const consumer = new Consumer(good, { group: 'g', concurrency: 4 });
      const thrown = [null, undefined, new Error('mine'), 'text', Symbol('s')];
      let left = thrown.length;
      consumer.process({
        stream: 'printed',
        processor: () => {
          left--;
          throw thrown[left];
        },
      });
      await consumer.play();
      const producer = new Producer(good);
      producer.on('printed', () => {
        throw new Error('mine');
      });
      await producer.listen('printed');
      for (const _ of thrown) {
        const job = await producer.send({ stream: 'printed', job: producer.job(), waitFor: ['g'] });
        await job.finished();
      }
      await good.stop();
      await absent.stop();
      print('done');
    },
    { flags: ['--trace-warnings'] },
  );
  await child.says('done');
  assert.strictEqual((await child.exit()).code, 0);
  assert.deepStrictEqual([child.stdout, child.stderr], ['', '']);
});
