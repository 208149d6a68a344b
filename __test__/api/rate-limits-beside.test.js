'use strict';

/* Rate limits beside other options: order by key, read-ahead, batches, other streams, programs of 2.x and faults of Redis. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { until } = require('../support/wait-until.js');

const CLAIMS = { claimInterval: 50, claimDeadline: 300, concurrency: 10 };
/** A window that no test sees the end of. */
const ENDLESS = 3_600_000;

const ids = (runs) => runs.map(Number).sort((left, right) => left - right);
const numbers = (count) => Array.from({ length: count }, (_, at) => at);

/** Sends numbered jobs one after the other, and returns the time before the first one. */
async function send(scene, count, { keysOf = () => undefined, stream = scene.stream, ...options } = {}) {
  const producer = scene.producer();
  const began = Date.now();
  await producer.sendAll(
    numbers(count).map((at) => ({ stream, ...options, key: keysOf(at), job: producer.job(`${at}`) })),
  );
  return began;
}

/** Fails unless start number `at` came in its window or later. */
function check(times, began, { max, interval }) {
  for (const [at, time] of times.entries()) {
    const least = Math.floor(at / max) * interval;
    assert.ok(time - began >= least - 2, `start ${at} after ${time - began} ms, not ${least} ms`);
  }
}

ours('ordered jobs of a limited stream keep their order', async (_, scene) => {
  for (const key of [false, true]) {
    const [stream, limit] = [scene.name('ordered'), { max: 4, interval: 200, key }];
    const runs = [];
    const times = [];
    for (let at = 0; at < 2; at++) {
      const consumer = scene.consumer(CLAIMS, scene.connect());
      const processor = (job) => {
        runs.push([job.key, Number(job.id)]);
        times.push(Date.now());
      };
      consumer.process({ stream, partitions: 2, ordered: { lease: 400 }, limit, processor });
      await consumer.play();
    }
    const began = await send(scene, 20, { stream, partitions: 2, keysOf: (at) => `${at % 2}` });
    await until(() => runs.length === 20, { timeout: 10_000 });
    for (const half of ['0', '1']) {
      const found = runs.filter(([of]) => of === half).map(([, id]) => id);
      assert.deepStrictEqual(
        found,
        numbers(20).filter((at) => `${at % 2}` === half),
      );
    }
    check(times, began, { ...limit, max: key ? 8 : 4 });
  }
});

ours('entries that are read ahead start with a permit, and batches take one for each job', async (_, scene) => {
  for (const more of [{ readAhead: 8 }, { batch: { size: 3, wait: 20 } }, { readAhead: 8, batch: { size: 5 } }]) {
    const [{ batch, ...options }, stream, limit] = [more, scene.name('stream'), { max: 6, interval: 200 }];
    const [runs, times] = [[], []];
    const consumer = scene.consumer({ ...CLAIMS, ...options }, scene.connect());
    const processor = (given) => {
      for (const { id } of batch === undefined ? [given] : given) {
        runs.push(id);
        times.push(Date.now());
      }
    };
    consumer.process({ stream, limit, batch, processor });
    await consumer.play();
    const began = await send(scene, 24, { stream });
    await until(() => runs.length === 24);
    check(times, began, limit);
    assert.deepStrictEqual(ids(runs), numbers(24));
  }
});

ours('a stream without a limit goes on beside one that waits for its window', async (_, scene) => {
  const [other, runs, free] = [scene.name('free'), [], []];
  const consumer = scene.consumer({ ...CLAIMS, blockTimeout: 20_000 }, scene.connect());
  const limit = { max: 2, interval: 400 };
  consumer.process({ stream: scene.stream, limit, processor: ({ id }) => runs.push(id) });
  consumer.process({ stream: other, processor: ({ id }) => free.push(id) });
  await consumer.play();
  const began = await send(scene, 6);
  await until(() => runs.length === 2);
  await send(scene, 50, { stream: other });
  await until(() => free.length === 50);
  await until(() => runs.length === 6, { timeout: 4000 });
  assert.ok(Date.now() - began >= 798);
});

ours('jobs carry their values through the wait for a permit', async (_, scene) => {
  const limit = { max: 1, interval: 150, key: true };
  const values = [];
  const consumer = scene.consumer(CLAIMS, scene.connect());
  const processor = async (job) => values.push((await job.get('in', false).pull()).in.number);
  consumer.process({ stream: scene.stream, limit, processor });
  await consumer.play();
  const producer = scene.producer();
  for (const number of numbers(4)) {
    await producer.send({ stream: scene.stream, key: 'a', job: producer.job().set('in', { number }) });
  }
  await until(() => values.length === 4);
  assert.deepStrictEqual(values, numbers(4));
});

ours('jobs of a producer of 2.x are limited', async (_, scene) => {
  const original = require('hfxbus-original');
  const connection = original.ConnectionManager.standalone(scene.redis.options);
  scene.closing(() => connection.stop({ force: true }));
  const [producer, times, limit] = [new original.Producer(connection), [], { max: 3, interval: 200 }];
  const consumer = scene.consumer(CLAIMS, scene.connect());
  consumer.process({ stream: scene.stream, limit, processor: () => times.push(Date.now()) });
  await consumer.play();
  await producer.listen();
  const began = Date.now();
  const jobs = numbers(9).map(() => producer.job());
  await Promise.all(jobs.map((job) => producer.send({ stream: scene.stream, waitFor: [scene.group], job })));
  await Promise.all(jobs.map((job) => job.finished(6000)));
  check(times, began, limit);
});

ours('without Redis no job starts, and the window goes on with it', async (_, scene) => {
  const redis = await scene.server('--appendonly', 'yes', '--appendfsync', 'always');
  const limit = { max: 4, interval: 1500, key: true };
  const [times, done] = [[], new Set()];
  const options = { ...redis.options, retryStrategy: () => 50 };
  // Waiting entries with a shorter lease would wait for its renewal first.
  const consumer = scene.consumer({ ...CLAIMS, claimDeadline: 20_000 }, scene.connect(options));
  const errors = scene.errors(consumer);
  const processor = ({ id }) => times.push(Date.now()) && done.add(id);
  consumer.process({ stream: scene.stream, limit, processor });
  await consumer.play();
  const producer = scene.producer(scene.connect(options));
  const began = Date.now();
  await producer.sendAll(numbers(12).map((at) => ({ stream: scene.stream, key: 'a', job: producer.job(`${at}`) })));
  const isSettled = async () => (await consumer.stats()).waiting === 8 && (await scene.pending({ redis })) === 8;
  await until(async () => times.length === 4 && (await isSettled()));
  redis.crash();
  const ofPermits = () => errors.filter(({ command }) => command === 'INCRBY').map(({ code }) => code);
  // It requests the permits of the next window.
  await until(() => ofPermits().length > 0);
  const started = times.length;
  await redis.start();
  await until(() => done.size === 12, { timeout: 15_000 });
  check(times, began, limit);
  assert.deepStrictEqual([started, ofPermits()], [4, ['CONSUME_ERROR']]);
});

ours('a budget that Redis has lost begins a new window', async (_, scene) => {
  const times = [];
  const consumer = scene.consumer(CLAIMS, scene.connect());
  const processor = () => times.push(Date.now());
  consumer.process({ stream: scene.stream, limit: { max: 2, interval: 1000 }, processor });
  await consumer.play();
  const began = await send(scene, 6);
  await until(() => times.length === 2);
  const key = `hfxbus:lim:${scene.stream}:${scene.group}`;
  assert.ok((await scene.redis.call('PTTL', key)) <= 1000);
  // Its expiry is lost: without the repair no job would start again.
  await scene.redis.call('SET', key, '2');
  await until(() => times.length === 6, { timeout: 6000 });
  check(times, began, { max: 2, interval: 1000 });
});

ours('a counter of another type is reported once, and no job starts', async (_, scene) => {
  await scene.redis.call('XADD', `hfxbus:lim:${scene.stream}:${scene.group}`, '*', 'a', 'b');
  const runs = [];
  const consumer = scene.consumer(CLAIMS, scene.connect());
  const errors = scene.errors(consumer);
  const limit = { max: 2, interval: ENDLESS };
  consumer.process({ stream: scene.stream, limit, processor: ({ id }) => runs.push(id) });
  await consumer.play();
  await send(scene, 2);
  await until(() => errors.length > 0);
  const { code, command, node, message } = errors[0];
  assert.deepStrictEqual([code, command, message.split(' ')[0]], ['CONSUME_ERROR', 'INCRBY', 'WRONGTYPE']);
  assert.match(node, /127\.0\.0\.1/);
  await scene.redis.call('DEL', `hfxbus:lim:${scene.stream}:${scene.group}`);
  await until(() => runs.length === 2);
  assert.strictEqual(errors.length, 1);
});

ours('invalid limits are refused with the name of the option', async (_, scene) => {
  const consumer = scene.consumer({ claimInterval: 100 });
  const refuse = (limit, expected, of = consumer) => {
    const given = { stream: scene.stream, limit, processor: () => {} };
    assert.throws(() => of.process(given), expected, JSON.stringify(limit));
  };
  const type = (message) => ({ name: 'TypeError', message });
  const range = (message) => ({ name: 'RangeError', message });
  for (const given of [5, 'a', true, Symbol('s')]) refuse(given, type(/^limit must be an object/));
  refuse({}, type(/^limit\.max must be a number/));
  refuse({ max: 1 }, type(/^limit\.interval must be a number/));
  for (const max of ['many', {}, true]) refuse({ max, interval: 100 }, type(/^limit\.max /));
  for (const max of [0, -1, Infinity, 1e9 + 1]) refuse({ max, interval: 100 }, range(/^limit\.max /));
  for (const interval of [0, 9, -1, Infinity, 4e10]) refuse({ max: 1, interval }, range(/^limit\.interval /));
  for (const key of ['a', 1, () => {}]) refuse({ max: 1, interval: 100, key }, type(/^limit\.key /));
  refuse({ max: 1, interval: 100 }, type(/^limit needs a consumer with claimInterval/), scene.consumer({}));
  consumer.process({ stream: scene.stream, limit: null, processor: () => {} });
});

ours('one consumer has either rate limits or fair dispatch', async (_, scene) => {
  const consumer = scene.consumer({ claimInterval: 100 });
  const [limit, processor] = [{ max: 1, interval: 100 }, () => {}];
  const refusal = { name: 'TypeError', message: /^limit and fair exclude each other/ };
  const process = (stream, rules) => () => consumer.process({ stream, processor, ...rules });
  assert.throws(process('both', { limit, fair: true }), refusal);
  process('limited', { limit })();
  assert.throws(process('fair', { fair: true }), refusal);
  process('limited', { fair: true })();
  assert.throws(process('other', { limit }), refusal);
  process('limited', {})();
  process('other', { limit })();
});
