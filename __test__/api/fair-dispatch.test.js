'use strict';

/* Fair dispatch: the keys of a consumer share its slots, and each has a cap. */

const assert = require('node:assert');
const { ours, oursWithin } = require('../support/cases.js');
const { Latencies, Runs, SLOTS, ascending, play, send, waiting } = require('../support/keyed-jobs.js');
const { stays, until } = require('../support/wait-until.js');

const CLAIMS = { claimInterval: 50, claimDeadline: 300 };
const FLOOD = 10_000;
const SMALL_KEYS = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];

const stats = (consumer) => consumer.stats({ timeout: 0 });

for (const [where, options] of [
  ['in partitions', { partitions: 32 }],
  ['in one stream, within the look-ahead', { fair: { waiting: 20_000 } }],
]) {
  oursWithin(120_000)(`nine keys end while a key with ten thousand jobs goes on, ${where}`, async (_, scene) => {
    const { partitions } = options;
    await send(scene, 'a', FLOOD, { partitions });
    for (const key of SMALL_KEYS) await send(scene, key, 100, { partitions });
    const runs = new Runs();
    runs.isHeld = false;
    const latencies = new Latencies(scene, runs, 'a');
    await play(scene, latencies.run, options);
    await until(() => latencies.count === SMALL_KEYS.length * 100, { timeout: 100_000 });
    // Without fair dispatch it is that of the whole first key, or at random within it if partitions are read in turn.
    const late = latencies.p95;
    assert.ok(late < FLOOD / 10, `${late} jobs of the first key began before 95 % of the others`);
    for (const key of SMALL_KEYS) assert.deepStrictEqual(runs.numbers(key), ascending(100), `order of ${key}`);
    assert.strictEqual(new Set(runs.order).size, runs.order.length, 'no job ran twice');
  });
}

ours('no key holds more than its share of the slots while others wait', async (_, scene) => {
  const keys = ['a', 'b', 'c', 'd', 'e'];
  for (const key of keys) await send(scene, key, 100);
  const runs = new Runs();
  const consumer = await play(scene, runs.hold, { fair: { waiting: 1_000 } });
  await until(async () => runs.all + (await waiting(consumer)) === 500);
  const share = Math.ceil(SLOTS / keys.length);
  // The first slots went to the keys that were read first. Each further start follows the end of a job.
  for (let at = 0; at < 60; at++) {
    const started = runs.order.length;
    const before = new Map(runs.running);
    runs.end();
    await until(() => runs.order.length > started);
    for (const key of keys) {
      const count = runs.count(key);
      assert.ok(count <= Math.max(share, before.get(key) ?? 0), `${key} holds ${count} slots`);
    }
  }
  for (const key of keys)
    assert.ok(runs.count(key) <= share && runs.count(key) >= share - 1, `${key} ${runs.count(key)}`);
  assert.strictEqual(runs.all, SLOTS);
  for (const key of keys) assert.deepStrictEqual(runs.numbers(key), ascending(runs.numbers(key).length));
  runs.free();
  await until(() => runs.order.length === 500);
});

ours('a key alone uses all slots, and shares them as soon as another one waits', async (_, scene) => {
  const runs = new Runs();
  await send(scene, 'a', 60);
  await play(scene, runs.hold);
  await until(() => runs.count('a') === SLOTS);
  await send(scene, 'b', 60);
  for (let at = 1; at <= SLOTS / 2; at++) {
    runs.end('a');
    await until(() => runs.count('b') === at);
    assert.strictEqual(runs.count('a'), SLOTS - at);
  }
  runs.end('b');
  await until(() => runs.order.length === SLOTS + SLOTS / 2 + 1);
  assert.deepStrictEqual([runs.count('a'), runs.count('b')], [SLOTS / 2, SLOTS / 2]);
  runs.free();
});

ours('a key runs no more jobs than its cap, also if slots are free', async (_, scene) => {
  const runs = new Runs();
  await send(scene, 'a', 20);
  await send(scene, undefined, 20);
  const consumer = await play(scene, runs.hold, { fair: { cap: 3 } });
  await until(() => runs.all === 6);
  await stays(() => runs.count('a') === 3 && runs.count('') === 3, 50);
  assert.strictEqual((await stats(consumer)).availableSlots, SLOTS - 6);
  await send(scene, 'b', 5);
  await until(() => runs.count('b') === 3);
  // The processor replaced, another cap holds for the jobs that wait.
  consumer.process({ stream: scene.stream, fair: { cap: 4 }, processor: runs.hold });
  runs.end('a');
  await until(() => runs.count('a') === 4 && runs.count('b') === 4);
  runs.free();
  await until(() => runs.order.length === 45);
  assert.deepStrictEqual(
    runs.most,
    new Map([
      ['a', 4],
      ['', 4],
      ['b', 4],
    ]),
  );
});

ours('a key whose jobs hang leaves the slots above its cap to the others', async (_, scene) => {
  const partitions = 8;
  await send(scene, 'a', 100, { partitions });
  for (const key of SMALL_KEYS) await send(scene, key, 30, { partitions });
  const [hanging, others] = [new Runs(), new Runs()];
  others.isHeld = false;
  const processor = (job) => (job.key === 'a' ? hanging : others).hold(job);
  await play(scene, processor, { partitions, fair: { cap: 12, waiting: 400 } });
  await until(() => others.order.length === SMALL_KEYS.length * 30 && hanging.count('a') === 12);
  for (const key of SMALL_KEYS) assert.deepStrictEqual(others.numbers(key), ascending(30), `order of ${key}`);
  hanging.free();
  await until(() => hanging.order.length === 100);
});

ours('a released job holds no slot of its key', async (_, scene) => {
  const runs = new Runs();
  await send(scene, 'a', 3);
  const processor = async (job) => {
    job.release();
    await runs.hold(job);
  };
  await play(scene, processor, { fair: { cap: 1 } });
  await until(() => runs.count('a') === 3);
  runs.free();
});

ours('with ordered, the keys of a partition share the slots one job at a time', async (_, scene) => {
  const partitions = 1;
  await send(scene, 'a', 40, { partitions });
  for (const key of SMALL_KEYS) await send(scene, key, 5, { partitions });
  await send(scene, undefined, 30, { partitions });
  const runs = new Runs();
  await play(scene, runs.hold, { ...CLAIMS, partitions, ordered: { lease: 500 }, fair: { cap: 2 } });
  await until(() => runs.all === 12);
  assert.deepStrictEqual([runs.count('a'), runs.count('')], [1, 2]);
  runs.free();
  await until(() => runs.order.length === 115, { timeout: 20_000 });
  assert.deepStrictEqual([runs.most.get('a'), runs.most.get('')], [1, 2]);
  for (const key of ['a', ...SMALL_KEYS]) {
    assert.deepStrictEqual(runs.numbers(key), ascending(runs.numbers(key).length), `order of ${key}`);
  }
});

ours('batches have jobs of several keys', async (_, scene) => {
  await send(scene, 'a', 40);
  await send(scene, 'b', 8);
  const batches = [];
  const processor = async (jobs) => {
    batches.push(
      jobs
        .map(({ key }) => key)
        .sort()
        .join(''),
    );
    await scene.redis.call('PING');
  };
  await play(scene, processor, { concurrency: 8, batch: { size: 8, wait: 5 }, fair: { waiting: 100 } });
  await until(() => batches.join('').length === 48);
  assert.ok(batches.slice(0, 3).includes('aaaabbbb'), batches.join());
});

ours('the jobs of a stream without fair dispatch are one key beside the others', async (_, scene) => {
  const plain = scene.name('stream');
  const runs = new Runs();
  const consumer = scene.consumer({ concurrency: 4 }, scene.connect());
  consumer.process({ stream: scene.stream, fair: true, fromId: '0', processor: runs.hold });
  const others = new Runs();
  consumer.process({ stream: plain, fromId: '0', processor: others.hold });
  await send(scene, 'a', 20);
  for (const key of ['x', 'y', 'z']) await send(scene, key, 5, { stream: plain });
  await consumer.play();
  await until(() => runs.all + others.all === 4);
  for (let at = 0; at < 8; at++) {
    const started = runs.order.length + others.order.length;
    (runs.all > 2 ? runs : others).end();
    await until(() => runs.order.length + others.order.length > started);
  }
  assert.deepStrictEqual([runs.all, others.all], [2, 2]);
  runs.free();
  others.free();
  await until(() => runs.order.length + others.order.length === 35);
});

for (const [given, message] of [
  [1, 'fair must be a boolean or an object'],
  ['true', 'fair must be a boolean or an object'],
  [{ cap: 0 }, 'fair.cap must be a whole number from 1 on'],
  [{ cap: {} }, 'fair.cap must be a number'],
  [{ waiting: 0 }, 'fair.waiting must be a whole number from 1 to 100000'],
  [{ waiting: 100_001 }, 'fair.waiting must be a whole number from 1 to 100000'],
  [{ waiting: Infinity }, 'fair.waiting must be a whole number from 1 to 100000'],
]) {
  ours(`process() refuses fair: ${JSON.stringify(given)} with "${message}"`, async (_, scene) => {
    const consumer = scene.consumer({ concurrency: 2 });
    assert.throws(() => consumer.process({ stream: 's', fair: given, processor: () => {} }), { message });
  });
}

ours('process() takes no fair dispatch and the widest limits', async (_, scene) => {
  const consumer = scene.consumer({ concurrency: 2 });
  for (const fair of [undefined, null, false, true, {}, { cap: Infinity, waiting: 1 }, { cap: 9, waiting: 100_000 }]) {
    consumer.process({ stream: 's', fair, processor: () => {} });
  }
});
