'use strict';

/* The entries that wait in a consumer with fair dispatch: their limit, their lease, and their return to the group. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Runs, SLOTS, ascending, play, send, waiting } = require('../support/keyed-jobs.js');
const { stays, until } = require('../support/wait-until.js');

const CLAIMS = { claimInterval: 50, claimDeadline: 300 };
const SMALL_KEYS = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];

const stats = (consumer) => consumer.stats({ timeout: 0 });

ours('the entries that wait stay within the limit of a partition, and other partitions go on', async (_, scene) => {
  const partitions = 8;
  await send(scene, 'a', 500, { partitions });
  const runs = new Runs();
  const consumer = await play(scene, runs.hold, { partitions, fair: { waiting: 40 } });
  await until(async () => (await waiting(consumer)) > 30);
  await stays(async () => (await waiting(consumer)) <= 40, 100);
  for (const key of SMALL_KEYS) await send(scene, key, 3, { partitions });
  const others = SMALL_KEYS.length * 3;
  for (let at = 0; at < SLOTS / 2; at++) runs.end('a');
  await until(() => runs.order.some((id) => !id.startsWith('a')));
  let most = 0;
  runs.free();
  while (runs.order.length < 500 + others) {
    most = Math.max(most, await waiting(consumer));
    await scene.redis.call('PING');
  }
  assert.ok(most <= 40 + others, `${most} entries waited`);
});

ours('a partition is read again as soon as half of its look-ahead is free', async (_, scene) => {
  const partitions = 4;
  const cycles = 20;
  await send(scene, 'a', 100, { partitions });
  const runs = new Runs();
  const options = { partitions, concurrency: 2, fair: { waiting: 4 }, blockTimeout: 20_000 };
  const consumer = await play(scene, runs.hold, options);
  const isFull = async () => runs.all === 2 && (await waiting(consumer)) === 4;
  await until(isFull);
  const began = performance.now();
  for (let at = 1; at <= cycles; at++) {
    runs.end();
    runs.end();
    await until(async () => runs.order.length === 2 + 2 * at && (await isFull()));
  }
  // The read without the partition would take a second each time.
  const time = performance.now() - began;
  assert.ok(time < (cycles * 1_000) / 2, `${time} ms`);
  runs.free();
  await until(() => runs.order.length === 100);
});

ours('pause hands the waiting entries back, and another consumer runs them once', async (_, scene) => {
  const runs = new Runs();
  await send(scene, 'a', 40);
  await send(scene, 'b', 10);
  const first = await play(scene, runs.hold, { ...CLAIMS, claimDeadline: 60_000, concurrency: 2 });
  await until(async () => (await waiting(first)) > 8);
  const paused = first.pause();
  await until(async () => (await waiting(first)) === 0);
  const deliveries = [];
  const others = new Runs();
  others.isHeld = false;
  const second = await play(scene, others.hold, { ...CLAIMS, claimDeadline: 60_000 });
  second.on('claimed', ({ deliveryCount }) => deliveries.push(deliveryCount));
  await until(() => others.order.length === 48);
  runs.free();
  await paused;
  assert.strictEqual(new Set([...runs.order, ...others.order]).size, 50);
  assert.ok(deliveries.length > 0 && deliveries.every((count) => count === 1), deliveries.join());
});

ours('without claimInterval, pause resolves after the waiting jobs, and play goes on', async (_, scene) => {
  const runs = new Runs();
  await send(scene, 'a', 12);
  await send(scene, 'b', 2);
  const consumer = await play(scene, runs.hold, { concurrency: 1, fair: { waiting: 10 } });
  await until(async () => (await waiting(consumer)) >= 9);
  const held = 1 + (await waiting(consumer));
  const paused = consumer.pause();
  runs.free();
  await paused;
  assert.ok(runs.order.length >= held);
  assert.deepStrictEqual([await waiting(consumer), await scene.pending()], [0, 0]);
  await consumer.play();
  await until(() => runs.order.length === 14);
  assert.strictEqual(new Set(runs.order).size, 14);
});

ours('another consumer runs the waiting entries of a killed one, each once', async (_, scene) => {
  await send(scene, 'a', 60);
  await send(scene, 'b', 20);
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      const consumer = new hfxbus.Consumer(hfxbus.ConnectionManager.standalone(options), {
        group: data.group,
        concurrency: 4,
      });
      consumer.process({
        stream: data.stream,
        fair: { waiting: 100 },
        fromId: '0',
        processor: () => new Promise(() => {}),
      });
      await consumer.play();
      while ((await consumer.stats({ timeout: 0 })).waiting < 76)
        await new Promise((resolve) => setTimeout(resolve, 5));
      print('waits');
    },
    { options: scene.redis.options, data: { stream: scene.stream, group: scene.group } },
  );
  await child.says('waits');
  assert.strictEqual(await scene.pending(), 80);
  child.kill();
  const runs = new Runs();
  runs.isHeld = false;
  const consumer = await play(scene, runs.hold, { ...CLAIMS, concurrency: 3, fair: { cap: 2, waiting: 10 } });
  await until(() => runs.order.length === 80, { timeout: 20_000 });
  await until(async () => (await scene.pending()) === 0);
  assert.strictEqual(new Set(runs.order).size, 80);
  assert.deepStrictEqual([runs.most.get('a') <= 2, await waiting(consumer)], [true, 0]);
});

ours('a failed job runs again among those of its key', async (_, scene) => {
  await send(scene, 'a', 5);
  await send(scene, 'b', 5);
  const runs = new Runs();
  runs.isHeld = false;
  let fails = 3;
  const processor = async (job) => {
    await runs.hold(job);
    if (job.id === 'a0' && fails-- > 0) throw new Error('no');
  };
  const options = { ...CLAIMS, claimDeadline: 60, retryLimit: 9, concurrency: 2, fair: { cap: 1 } };
  const consumer = await play(scene, processor, options);
  await until(() => runs.order.length === 13);
  await until(async () => (await scene.pending()) === 0);
  assert.strictEqual(runs.order.filter((id) => id === 'a0').length, 4);
  assert.strictEqual((await stats(consumer)).retried, 3);
});

ours('the deadline of a job begins with its run', async (_, scene) => {
  await send(scene, 'a', 8);
  const runs = new Runs();
  const rejected = [];
  const processor = async (job) => {
    await runs.hold(job);
    await new Promise((resolve) => setTimeout(resolve, 60));
    rejected.push(job.id);
  };
  const consumer = scene.consumer({ concurrency: 1 }, scene.connect());
  runs.isHeld = false;
  consumer.process({ stream: scene.stream, fair: true, fromId: '0', deadline: 400, processor });
  await consumer.play();
  await until(() => rejected.length === 8);
  assert.strictEqual((await stats(consumer)).timedOut, 0);
});

ours('fair dispatch begins and ends with a call of process() while jobs run', async (_, scene) => {
  const runs = new Runs();
  await send(scene, 'a', 40);
  const consumer = await play(scene, runs.hold, { fair: false, concurrency: 4, readAhead: 8 });
  await until(async () => runs.count('a') === 4 && (await waiting(consumer)) === 8);
  consumer.process({ stream: scene.stream, fair: { cap: 2, waiting: 100 }, processor: runs.hold });
  await send(scene, 'b', 4);
  runs.end('a');
  runs.end('a');
  await until(() => runs.count('b') === 2);
  assert.strictEqual(runs.count('a'), 2);
  consumer.process({ stream: scene.stream, processor: runs.hold });
  runs.free();
  await until(() => runs.order.length === 44);
  assert.deepStrictEqual(runs.numbers('a'), ascending(40));
});

ours('waiting entries whose lease has lapsed start once it is renewed', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const producer = scene.producer(connection);
  const jobs = ascending(40).map((at) => ({ stream: scene.stream, key: `${at % 4}`, job: producer.job(`${at}`) }));
  await producer.sendAll(jobs);
  const runs = new Runs();
  const consumer = await play(scene, runs.hold, { ...CLAIMS, concurrency: 2, connection, fair: { waiting: 100 } });
  scene.errors(consumer);
  await until(async () => (await waiting(consumer)) === 38);
  redis.freeze();
  // Longer than the lease of a waiting entry is trusted.
  await stays(() => runs.order.length === 2, 1_300);
  runs.free();
  await stays(() => runs.order.length === 2, 100);
  redis.thaw();
  await until(() => runs.order.length === 40, { timeout: 20_000 });
  await until(async () => (await stats(consumer)).inFlight === 0);
  assert.strictEqual(new Set(runs.order).size, 40);
});
