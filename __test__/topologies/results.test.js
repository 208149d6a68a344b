'use strict';

/* Results on lost connections, on servers that are killed, and with processes of 2.2.0. */

const assert = require('node:assert');
const original = require('hfxbus-original');
const { ours, oursWithin } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { emitAndHang, emitUntil, follow, sent, upTo } = require('../support/result-readers.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');

ours('lost connections of writer and reader neither lose nor repeat a chunk', async (_, scene) => {
  const proxies = [await TcpProxy.to(scene.redis.port), await TcpProxy.to(scene.redis.port)];
  for (const proxy of proxies) scene.closing(() => proxy.close());
  const [writing, reading] = proxies.map((proxy) => scene.connect({ ...proxy.options, retryStrategy: () => 10 }));
  let isOver = false;
  let count = 0;
  await scene.play(
    async (job) => {
      count = await emitUntil(job, () => isOver);
    },
    { connection: writing },
  );
  const job = await sent(scene, scene.producer(reading));
  const reader = follow(job.results());
  for (let cuts = 0; cuts < 10; cuts++) {
    const seen = reader.chunks.length;
    await until(() => reader.chunks.length > seen + 10);
    for (const proxy of proxies) proxy.reset();
  }
  isOver = true;
  assert.strictEqual(await reader.failure, null);
  assert.deepStrictEqual(reader.values(), upTo(count));
});

ours('a chunk whose reply was lost is there once', async (_, scene) => {
  const proxy = await TcpProxy.to(scene.redis.port);
  scene.closing(() => proxy.close());
  const gate = new Gate();
  await scene.play(
    async (job) => {
      await job.emit('before');
      await gate.opened;
      await job.emit('muted');
      await job.emit('after');
    },
    { connection: scene.connect({ ...proxy.options, retryStrategy: () => 10 }) },
  );
  const job = await sent(scene, scene.producer());
  const reader = follow(job.results());
  await until(() => reader.chunks.length === 1);
  proxy.muteAt('muted');
  gate.open();
  await until(() => reader.chunks.length === 2);
  proxy.muteAt(null);
  proxy.reset();
  assert.strictEqual(await reader.failure, null);
  assert.deepStrictEqual(reader.values(), ['before', 'muted', 'after']);
  const key = keys.result(scene.stream, scene.group, job.id);
  assert.strictEqual(await scene.redis.call('XLEN', key), 4);
});

ours(
  'a killed Redis with its data back loses no chunk, for a reader that follows and for one that resumes',
  async (_, scene) => {
    const redis = await scene.server('--appendonly', 'yes', '--appendfsync', 'always');
    const options = { ...redis.options, retryStrategy: () => 20, maxRetriesPerRequest: null };
    const [writing, reading] = [scene.connect(options), scene.connect(options)];
    let isOver = false;
    let count = 0;
    await scene.play(
      async (job) => {
        count = await emitUntil(job, () => isOver);
      },
      { connection: writing, claimInterval: 60_000 },
    );
    const producer = scene.producer(reading);
    const job = await sent(scene, producer, { durable: true });
    const reader = follow(job.results());
    await until(() => reader.chunks.length > 20);
    const resumed = reader.chunks[10].id;
    redis.crash();
    await redis.start();
    const seen = reader.chunks.length;
    await until(() => reader.chunks.length > seen + 20, { timeout: 15_000 });
    isOver = true;
    assert.strictEqual(await reader.failure, null);
    assert.deepStrictEqual(reader.values(), upTo(count));
    const later = follow(producer.results({ stream: scene.stream, group: scene.group, id: job.id, from: resumed }));
    assert.strictEqual(await later.failure, null);
    assert.deepStrictEqual(later.values(), upTo(count).slice(11));
  },
);

ours('the run of another consumer restarts the result of a killed one', async (_, scene) => {
  const child = emitAndHang(scene, { values: ['a', 'b'] });
  await until(() => child.printed.length === 1);
  const producer = scene.producer();
  const job = await sent(scene, producer);
  const reader = follow(job.results());
  await until(() => child.printed.length === 2);
  await until(() => reader.chunks.length === 2);
  child.kill('SIGKILL');
  await scene.play(
    async (taken) => {
      for (const value of ['A', 'B']) await taken.emit(value);
    },
    { claimInterval: 20, claimDeadline: 60 },
  );
  assert.strictEqual(await reader.failure, null);
  assert.deepStrictEqual(
    reader.chunks.map(({ value, delivery, restarted }) => [value, delivery, restarted]),
    [
      ['a', 1, false],
      ['b', 1, false],
      ['A', 2, true],
      ['B', 2, false],
    ],
  );
});

ours('a run that has lost its entry cannot emit between the chunks of the next one', async (_, scene) => {
  const gate = new Gate();
  const refused = [];
  await scene.play(
    async (job) => {
      await job.emit('old');
      await gate.opened;
      refused.push(await job.emit('late').catch((error) => error));
    },
    { deadline: 0 },
  );
  const job = await sent(scene, scene.producer());
  const reader = follow(job.results());
  await until(() => reader.chunks.length === 1);
  // Its entry becomes idle for others, as that of a process that does not answer.
  const entry = (
    await scene.redis.call('XPENDING', keys.stream(scene.stream), keys.group(scene.group), '-', '+', 1)
  )[0];
  const second = new Gate();
  await scene.play(
    async (taken) => {
      await taken.emit('new');
      await second.opened;
      await taken.emit('newer');
    },
    { connection: scene.connect(), claimInterval: 20, claimDeadline: 60, id: 'second' },
  );
  const names = [keys.stream(scene.stream), keys.group(scene.group)];
  const claim = ['XCLAIM', ...names, entry[1], 0, entry[0], 'IDLE', 100_000, 'JUSTID'];
  await until(async () => {
    if (reader.chunks.length < 2) await scene.redis.call(...claim);
    return reader.chunks.length === 2;
  });
  gate.open();
  await until(() => refused.length === 1);
  second.open();
  assert.strictEqual(refused[0].code, 'RESULT_CLOSED');
  await reader.failure;
  const values = reader.values();
  assert.deepStrictEqual(values.slice(0, 2), ['old', 'new']);
  assert.ok(!values.includes('late'), `${values}`);
});

ours('2.2.0 sends jobs whose results are read here, and jobs that it runs end without chunks', async (_, scene) => {
  const { stream, group } = scene;
  const connection = original.ConnectionManager.standalone(scene.redis.options);
  scene.closing(() => connection.stop());
  const consumer = await scene.play(async (job) => {
    for (const value of upTo(3)) await job.emit(value);
  });
  const old = new original.Producer(connection);
  await old.listen();
  const job = await old.send({ stream, job: old.job(), waitFor: [group] });
  const producer = scene.producer();
  const reader = follow(producer.results({ stream, group, id: job.id }));
  assert.ok((await job.finished(8000))[group] instanceof Date);
  assert.strictEqual(await reader.failure, null);
  assert.deepStrictEqual(reader.values(), [0, 1, 2]);
  await consumer.pause();
  await scene.playOriginal(async () => {});
  const own = await sent(scene, producer);
  const none = follow(own.results());
  assert.strictEqual(await none.failure, null);
  assert.deepStrictEqual(none.chunks, []);
});

ours('chunks that a full Redis refuses fail their job, and its readers get those before', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const gate = new Gate();
  const refusals = [];
  await scene.play(
    async (job) => {
      await job.emit(0);
      await gate.opened;
      for (const value of [1, 2]) await job.emit(value).catch((error) => refusals.push(error.code));
    },
    { connection },
  );
  const producer = scene.producer(connection);
  const job = await sent(scene, producer);
  const reader = follow(job.results());
  await until(() => reader.chunks.length === 1);
  await redis.call('CONFIG', 'SET', 'maxmemory', '1');
  gate.open();
  const error = await reader.failure;
  assert.strictEqual(error.code, 'RESULT_FAILED');
  assert.strictEqual(error.reason.code, 'OOM');
  assert.deepStrictEqual(refusals, ['OOM', 'OOM']);
  assert.deepStrictEqual(reader.values(), [0]);
});

ours(
  'a consumer that is there again runs a job of its own once more, with a result that begins anew',
  async (_, scene) => {
    const child = emitAndHang(scene, { id: 'mine', values: ['old'] });
    await until(() => child.printed.length === 1);
    const producer = scene.producer();
    const job = await sent(scene, producer);
    await until(() => child.printed.length === 2);
    child.kill('SIGKILL');
    await scene.play((taken) => taken.emit('new'), { id: 'mine', readFrom: '0' });
    const reader = follow(job.results());
    assert.strictEqual(await reader.failure, null);
    assert.deepStrictEqual(
      reader.chunks.map(({ value, delivery, restarted }) => [value, delivery, restarted]),
      [
        ['old', 1, false],
        ['new', 2, true],
      ],
    );
  },
);

ours('a user without the right to MULTI emits, and one without the channel cannot read', async (_, scene) => {
  const { stream, group, redis } = scene;
  const rules = ['on', '>secret', '~*', '+@all'];
  const [emitter, reader] = [scene.name('user'), scene.name('user')];
  await redis.call('ACL', 'SETUSER', emitter, ...rules, '&*', '-multi', '-exec');
  await redis.call('ACL', 'SETUSER', reader, ...rules, 'resetchannels', '&hfxbus:chn:*');
  const as = (username) => scene.connect({ username, password: 'secret' });
  await scene.play(
    async (job) => {
      await Promise.all([1, 2].map((value) => job.emit(value)));
    },
    { connection: as(emitter) },
  );
  const producer = scene.producer();
  const job = await sent(scene, producer);
  const { failure, values } = follow(job.results());
  assert.strictEqual(await failure, null);
  assert.deepStrictEqual(values(), [1, 2]);
  const refused = follow(scene.producer(as(reader)).results({ stream, group, id: job.id }));
  assert.strictEqual((await refused.failure).code, 'NOPERM');
});

ours('a forced stop leaves the result to the next run', async (_, scene) => {
  const stopped = scene.connect({ connectionName: scene.group });
  let failure = null;
  await scene.play(
    async (job) => {
      while (failure === null) {
        failure = await job.emit('old').then(
          () => null,
          (error) => error,
        );
      }
    },
    { connection: stopped },
  );
  const job = await sent(scene, scene.producer());
  const reader = follow(job.results());
  await until(() => reader.chunks.length > 5);
  await stopped.stop({ force: true });
  await until(() => failure);
  assert.strictEqual(failure.code, 'CONNECTION_CLOSED');
  await scene.play((taken) => taken.emit('new'), { claimInterval: 20, claimDeadline: 60 });
  assert.strictEqual(await reader.failure, null);
  const values = reader.values();
  assert.deepStrictEqual([...new Set(values.slice(0, -1)), values.at(-1)], ['old', 'new']);
  assert.ok(!(await scene.redis.call('CLIENT', 'LIST')).includes(`name=${scene.group} `));
});

ours('a result whose job was given up ends with an error', async (_, scene) => {
  const { stream, group } = scene;
  const gate = new Gate();
  const second = new Gate();
  const consumer = await scene.play(async (job) => {
    await job.emit(1);
    await second.opened;
    await job.emit(2);
    await gate.opened;
  });
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job() });
  const reader = follow(producer.results({ stream, group, id: job.id }));
  await until(() => reader.chunks.length === 1);
  second.open();
  await until(() => reader.chunks.length === 2);
  // As after a crash, and the removal of the entry by hand.
  const [[entry]] = await scene.redis.call('XPENDING', keys.stream(stream), keys.group(group), '-', '+', 1);
  await scene.redis.call('XACK', keys.stream(stream), keys.group(group), entry);
  const error = await reader.failure;
  assert.strictEqual(error.code, 'RESULT_INCOMPLETE');
  gate.open();
  await consumer.pause();
});

oursWithin(120_000)('1,000 readers share one connection, of one result and of many', async (_, scene) => {
  const count = 1000;
  const { stream, group } = scene;
  const gate = new Gate();
  await scene.play(
    async (job) => {
      await job.emit('first');
      await gate.opened;
      await job.emit('last');
    },
    { concurrency: count, deadline: 0 },
  );
  const reading = scene.connect();
  const producer = scene.producer(reading);
  const jobs = await producer.sendAll(upTo(count).map(() => ({ stream, job: producer.job() })));
  const ids = jobs.map(({ id }) => id);
  const before = (await scene.redis.call('CLIENT', 'LIST')).split('\n').length;
  const readers = ids.map((id) => follow(producer.results({ stream, group, id })));
  const listeners = upTo(count).map(() => follow(producer.results({ stream, group, id: ids[0] })));
  await until(() => [...readers, ...listeners].every(({ chunks }) => chunks.length === 1), { timeout: 80_000 });
  const connections = (await scene.redis.call('CLIENT', 'LIST')).split('\n').length;
  assert.ok(connections <= before + 1, `${connections} after ${before}`);
  gate.open();
  for (const { failure, values } of [...readers, ...listeners]) {
    assert.strictEqual(await failure, null);
    assert.deepStrictEqual(values(), ['first', 'last']);
  }
  const channels = () => scene.redis.call('PUBSUB', 'CHANNELS', `hfxbus:res:${stream}:*`);
  await until(async () => (await channels()).length === 0);
});
