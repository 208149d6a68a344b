'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { ours } = require('../support/cases.js');
const { frozen } = require('../support/frozen-objects.js');
const { keys } = require('../support/keys.js');
const { Gate } = require('../support/latch.js');
const { until } = require('../support/wait-until.js');

/** Returns the number of connections of a server, without the test's own. */
async function connections(redis) {
  const list = await redis.call('CLIENT', 'LIST');
  return list.trim().split('\n').length - 1;
}

ours('everything can be used again after stop(), and stopped again', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const producer = scene.producer(connection);
  const ran = [];
  const consumer = scene.consumer({}, connection);
  consumer.process({ stream: scene.stream, processor: async (job) => ran.push(job.id) });
  for (const round of ['first', 'second', 'third']) {
    await consumer.play();
    await producer.listen(scene.stream);
    const job = await producer.send({ stream: scene.stream, job: producer.job(round), waitFor: [scene.group] });
    await job.finished(5000);
    await Promise.all([connection.stop(), connection.stop()]);
    await connection.stop({ force: true });
    await until(async () => (await connections(redis)) === 0);
  }
  assert.deepStrictEqual(ran, ['first', 'second', 'third']);
});

ours('stop() during play() settles both calls, and leaves no connection', async (_, scene) => {
  const redis = await scene.server();
  for (const options of [{}, { force: true }, { maxWait: 5 }]) {
    const connection = scene.connect(redis.options);
    const consumer = scene.consumer({}, connection).process({ stream: scene.stream, processor: async () => {} });
    const played = consumer.play().then(
      () => 'played',
      ({ code }) => code,
    );
    await connection.stop(options);
    assert.ok(['played', 'CONNECTION_CLOSED'].includes(await played), await played);
    await connection.stop(options);
    await until(async () => (await connections(redis)) === 0);
  }
});

ours('calls of pause(), play() and stop() in any order all settle', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const consumer = scene.consumer({}, connection).process({ stream: scene.stream, processor: async () => {} });
  const calls = [];
  for (let round = 0; round < 10; round++) {
    calls.push(consumer.play(), consumer.pause(), consumer.play(), consumer.pause(1000));
    if (round % 3 === 0) calls.push(connection.stop({ maxWait: 50 }));
  }
  const outcomes = await Promise.allSettled(calls);
  for (const { reason } of outcomes) {
    assert.ok(reason === undefined || ['CONNECTION_CLOSED', 'PAUSE_TIMEOUT'].includes(reason.code), reason);
  }
  await connection.stop();
  await until(async () => (await connections(redis)) === 0);
});

ours('stop within a processor waits for that job no longer than maxWait', async (_, scene) => {
  const connection = scene.connect();
  const stopped = new Gate();
  const consumer = await scene.play(() => connection.stop({ maxWait: 30 }).then(() => stopped.open()), { connection });
  const errors = scene.errors(consumer);
  await scene.add('job-1');
  await stopped.opened;
  await until(() => errors.length > 0);
  assert.strictEqual(errors[0].code, 'REJECT_JOB_ERROR');
});

ours('a busy process starts no job that stop() has handed back meanwhile', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const producer = scene.producer(connection);
  const ran = [];
  let stopping;
  const processor = (job) => {
    ran.push(job.id);
    stopping ??= connection.stop({ maxWait: 30 });
    const end = performance.now() + 500;
    while (performance.now() < end);
    job.release();
  };
  const consumer = scene
    .consumer({ concurrency: 2 }, connection)
    .process({ stream: scene.stream, fromId: '0', processor });
  await producer.sendAll(['a', 'b'].map((id) => ({ stream: scene.stream, job: producer.job(id) })));
  await consumer.play();
  await until(() => stopping !== undefined);
  await stopping;
  assert.deepStrictEqual(ran, ['a']);
  const [pending] = await redis.call('XPENDING', keys.stream(scene.stream), keys.group(scene.group));
  assert.strictEqual(pending, 2, 'both wait for another consumer');
});

ours('options that cannot be changed are accepted, and not changed', async (_, scene) => {
  const options = frozen({ ...scene.redis.options, keyPrefix: 'mine' });
  const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone(options));
  const consumer = new scene.hfxbus.Consumer(connection, frozen({ group: scene.group, concurrency: 2 }));
  consumer.process(frozen({ stream: scene.stream, processor: async () => {} }));
  await consumer.play();
  const producer = scene.producer(connection);
  const value = frozen({ list: [1, { two: 2 }] });
  const job = producer.job();
  await job.set('a', value).push();
  const sent = { stream: scene.stream, job, waitFor: frozen([scene.group]), rejectOnError: true };
  await producer.send(Object.freeze(sent));
  await job.finished();
  assert.deepStrictEqual(await job.get('a', false).pull(), { a: value });
  await connection.stop(frozen({ maxWait: 1000 }));
});

ours(
  'a frozen job is rejected by calls that must change it, and is accepted without cost by all other calls',
  async (_, scene) => {
    const consumer = await scene.play(async (job) => {
      Object.freeze(job);
      if (job.id === 'late') throw new Error('mine');
    });
    const errors = scene.errors(consumer);
    const producer = scene.producer();
    const job = Object.freeze(producer.job('job-1'));
    const waiting = { stream: scene.stream, waitFor: [scene.group] };
    await assert.rejects(producer.send({ ...waiting, job }), { name: 'TypeError', message: /^job / });
    assert.strictEqual(await producer.send({ stream: scene.stream, job }), job);
    const frozenLater = producer.job('late');
    const [refused, sent] = [
      producer.send({ ...waiting, job: frozenLater }),
      producer.send({ ...waiting, job: producer.job() }),
    ];
    Object.freeze(frozenLater);
    await assert.rejects(refused, TypeError);
    await (await sent).finished(5000);
    assert.deepStrictEqual(errors, []);
  },
);

ours('a getter or a proxy that throws is the caller’s error, and leaves no partial state', async (_, scene) => {
  const { ConnectionManager } = scene.hfxbus;
  const mine = new Error('mine');
  const proxy = new Proxy({}, { get: () => assert.fail(mine) });
  const getter = (name) => Object.defineProperty({}, name, { get: () => assert.fail(mine), enumerable: true });
  assert.throws(() => ConnectionManager.standalone(getter('password')), mine);
  assert.throws(() => ConnectionManager.standalone(proxy), mine);
  assert.throws(() => scene.consumer(getter('concurrency')), mine);
  const producer = scene.producer();
  const job = producer.job();
  await assert.rejects(
    producer.send({
      job,
      ...{ stream: scene.stream },
      get capped() {
        return assert.fail(mine);
      },
    }),
    mine,
  );
  await assert.rejects(scene.connection.stop(getter('maxWait')), mine);
  await producer.send({ stream: scene.stream, job });
  assert.strictEqual(await scene.length(), 1);
});

ours('two copies of the package in one process work side by side', async (_, scene) => {
  const root = path.resolve(__dirname, '..', '..');
  // Inside, so that it finds eventemitter3; cargo may have its own folder elsewhere.
  fs.mkdirSync(path.join(root, 'target'), { recursive: true });
  const copy = fs.mkdtempSync(path.join(root, 'target', 'copy-'));
  try {
    for (const file of fs
      .readdirSync(root)
      .filter((name) => /^(index|native)\.js$|\.node$|^package\.json$/.test(name))) {
      fs.copyFileSync(path.join(root, file), path.join(copy, file));
    }
    fs.cpSync(path.join(root, 'src', 'facade'), path.join(copy, 'src', 'facade'), { recursive: true });
    const other = require(copy);
    assert.notStrictEqual(other.ConnectionManager, scene.hfxbus.ConnectionManager);
    assert.notStrictEqual(other.DISTRIBUTED_ROUTING, scene.hfxbus.DISTRIBUTED_ROUTING);
    const theirs = other.ConnectionManager.standalone(scene.redis.options);
    const consumer = new other.Consumer(theirs, { group: scene.group });
    await consumer.process({ stream: scene.stream, processor: async () => {} }).play();
    const producer = scene.producer();
    const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
    assert.ok((await job.finished(5000))[scene.group] instanceof Date);
    assert.throws(() => new scene.hfxbus.Producer(theirs), { name: 'TypeError', message: /^connection / });
    assert.throws(() => scene.consumer({}, theirs), { name: 'TypeError', message: /^connection / });
    await theirs.stop();
  } finally {
    fs.rmSync(copy, { recursive: true, force: true });
  }
});
