'use strict';

const assert = require('node:assert');
const { keep, ours } = require('../support/cases.js');
const { loadInRealm } = require('../support/realm.js');
const { until } = require('../support/wait-until.js');

/** A bus on one load of the package: `trip()` sends a job and waits for its answer. */
async function open(scene, hfxbus) {
  const [stream, group] = [scene.name('stream'), scene.name('group')];
  const connection = scene.adopt(hfxbus.ConnectionManager.standalone(scene.redis.options));
  const consumer = new hfxbus.Consumer(connection, { group, concurrency: 4, blockTimeout: 200 });
  consumer.process({
    stream,
    processor: async (job) => {
      const { inbound } = await job.get('inbound', false).pull();
      await job.set('outbound', `${inbound} back`).push();
    },
  });
  await consumer.play();
  const producer = new hfxbus.Producer(connection);
  await producer.listen();
  const trip = async () => {
    const job = producer.job();
    await job.set('inbound', job.id).push();
    await producer.send({ stream, job, waitFor: [group] });
    await job.finished();
    const { outbound } = await job.get('outbound', false).pull();
    assert.strictEqual(outbound, `${job.id} back`);
  };
  return { connection, trip };
}

/** Loads the package anew in the same realm, as after `jest.resetModules()`. */
function loadAgain({ file }) {
  const cached = require.cache;
  for (const name of Object.keys(cached)) if (!name.includes('__test__')) delete cached[name];
  return require(file);
}

async function tripsOn(buses) {
  await Promise.all(buses.map(({ trip }) => Promise.all(Array.from({ length: 20 }, trip))));
}

async function checkEach(scene, loads) {
  const buses = [];
  for (const hfxbus of loads) {
    buses.push(await open(scene, hfxbus));
    await tripsOn(buses);
  }
  while (buses.length > 0) {
    await buses.shift().connection.stop();
    await tripsOn(buses);
  }
}

keep('loads without a module cache work side by side, and each can be stopped', async (_, scene) => {
  const { subject } = scene;
  await checkEach(scene, [require(subject.file), loadAgain(subject), loadAgain(subject)]);
});

keep('a manager of one load works with the producer and the consumer of another', async (_, scene) => {
  const first = scene.hfxbus;
  const second = loadAgain(scene.subject);
  await checkEach(scene, [{ ...second, ConnectionManager: first.ConnectionManager }]);
});

ours('copies with global objects of their own work side by side, and each can be stopped', async (_, scene) => {
  const load = () => loadInRealm(scene.subject.file);
  const [one, other] = [load(), load()];
  assert.notStrictEqual(one.Producer, other.Producer);
  await checkEach(scene, [scene.hfxbus, one, other]);
});

ours('copies share one thread, and one that is not used any more is collected', async (_, scene) => {
  const data = {
    stream: scene.stream,
    file: scene.subject.file,
    realm: require.resolve('../support/realm.js'),
    until: require.resolve('../support/wait-until.js'),
  };
  const child = scene.child(
    async ({ options, data, print }) => {
      const { readdirSync } = require('node:fs');
      const { loadInRealm } = require(data.realm);
      const { until } = require(data.until);
      const threads = () => readdirSync('/proc/self/task').length;
      const collected = [];
      const registry = new FinalizationRegistry((number) => collected.push(number));
      const use = async (number) => {
        const { ConnectionManager, Producer } = loadInRealm(data.file);
        registry.register(Producer, number);
        const connection = ConnectionManager.standalone(options);
        const producer = new Producer(connection);
        const job = await producer.send({ stream: data.stream, job: producer.job(), waitFor: ['nobody'] });
        await job.finished(1).catch(() => {});
        await connection.stop();
      };
      await use(0);
      const before = threads();
      for (let number = 1; number <= 10; number++) await use(number);
      print('threads', threads() - before);
      await until(() => {
        global.gc();
        return collected.length >= 10;
      });
      print('collected');
    },
    { data, flags: ['--expose-gc'] },
  );
  const { code } = await child.exit();
  assert.deepStrictEqual([code, child.stderr], [0, '']);
  assert.deepStrictEqual(child.printed, [['threads', 0], ['collected']]);
});

ours('a worker thread with two copies ends, and so do their connections', async (_, scene) => {
  const { Worker } = require('node:worker_threads');
  const { once } = require('node:events');
  const work = async ({ file, realm, options }) => {
    const { parentPort } = require('node:worker_threads');
    const { loadInRealm } = require(realm);
    for (const { ConnectionManager } of [require(file), loadInRealm(file), loadInRealm(file)]) {
      await ConnectionManager.standalone({ ...options, connectionName: 'of-a-copy' })
        .getClient('mine')
        .call('ping');
    }
    parentPort.postMessage('connected');
  };
  const { file } = scene.subject;
  const given = { file, realm: require.resolve('../support/realm.js'), options: scene.redis.options };
  const worker = new Worker(`(${work})(${JSON.stringify(given)})`, { eval: true });
  await once(worker, 'message');
  const clients = async () => String(await scene.redis.call('CLIENT', 'LIST')).split('name=of-a-copy').length - 1;
  assert.strictEqual(await clients(), 3);
  await worker.terminate();
  await until(async () => (await clients()) === 0);
});
