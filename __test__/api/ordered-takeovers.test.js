'use strict';

/* Takeovers of ordered partitions with many pending entries. */

const assert = require('node:assert');
const { ours, oursWithin } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { OrderRecord, playOrdered } = require('../support/ordered.js');
const { until } = require('../support/wait-until.js');

/** Maximum number of entries of a partition that wait in a consumer, as docs/scale.md says. */
const LIMIT = 1024;
const NAMES = Array.from({ length: 50 }, (_, at) => `k${at}`);

/** Adds numbered jobs of keys in turn to a partition. */
async function add(scene, partition, count, { from = 0, names = NAMES, fields = [] } = {}) {
  const key = keys.stream(`${scene.stream}#${partition}`);
  for (let at = from; at < from + count; at += 500) {
    const end = Math.min(at + 500, from + count);
    const adds = [];
    for (let id = at; id < end; id++) {
      adds.push(scene.redis.call('XADD', key, '*', 'job', `${id}`, 'key', names[id % names.length], ...fields));
    }
    await Promise.all(adds);
  }
}

/** Delivers all entries of a partition to a consumer that has ended. */
async function strand(scene, partition, count = 1000) {
  const key = keys.stream(`${scene.stream}#${partition}`);
  const group = keys.group(scene.group);
  await scene.redis.call('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM');
  const read = ['XREADGROUP', 'GROUP', group, 'dead', 'COUNT', count, 'STREAMS', key, '>'];
  while ((await scene.redis.call(...read)) !== null);
}

/** Samples the number of waiting entries of a consumer until the end of a case. */
function watchWaiting(scene, consumer) {
  const watched = { most: 0, last: 0 };
  const timer = setInterval(async () => {
    const { waiting } = await consumer.stats({ timeout: 0 });
    watched.last = waiting;
    watched.most = Math.max(watched.most, waiting);
  }, 3);
  scene.closing(() => clearInterval(timer));
  return watched;
}

oursWithin(90000)('a takeover of 20,000 pending entries holds a limited number of them', async (_, scene) => {
  const count = 20000;
  const order = new OrderRecord();
  await add(scene, 0, count);
  await strand(scene, 0);
  // New entries of the same keys, which must run behind the pending ones.
  await add(scene, 0, 200, { from: count });
  const others = [];
  const processor = (job) => {
    if (job.key === 'other') return others.push(order.jobs);
    order.begin(job);
    order.end(job);
  };
  const { consumer, owned } = await playOrdered(scene, processor, { partitions: 2, lease: 2000 });
  const waiting = watchWaiting(scene, consumer);
  await until(() => order.jobs > 0);
  await add(scene, 1, 50, { names: ['other'] });
  await until(() => others.length === 50, { timeout: 60000 });
  await until(() => order.jobs === count + 200, { timeout: 60000 });
  order.check();
  assert.strictEqual(owned.size, 2);
  // The new entries of both partitions can wait too.
  assert.ok(waiting.most > 0 && waiting.most <= LIMIT + 250, `${waiting.most} entries waited`);
  assert.ok(others.at(-1) < count, 'the other partition did not wait for the takeover');
  await until(async () => (await scene.pending({ stream: `${scene.stream}#0` })) === 0);
});

ours('a failed job of a takeover runs again before the takeover ends', async (_, scene) => {
  // More entries of one key than a consumer keeps, so the takeover waits for the job that fails.
  const count = 1500;
  await add(scene, 0, count, { names: ['a'] });
  await strand(scene, 0);
  const order = new OrderRecord();
  let failures = 0;
  const processor = async (job) => {
    order.begin(job);
    order.end(job);
    if (job.id === '0' && failures++ < 2) throw new Error('no');
  };
  const { consumer } = await playOrdered(scene, processor, { partitions: 1, lease: 2000, retryLimit: 10 });
  const waiting = watchWaiting(scene, consumer);
  await until(() => order.jobs === count, { timeout: 20000 });
  order.check();
  assert.strictEqual(failures, 3);
  assert.ok(waiting.most <= LIMIT, `${waiting.most} entries waited`);
});

oursWithin(60000)('a takeover with a rate limit holds few entries and delays no other partition', async (_, scene) => {
  const [count, limit] = [2000, { max: 100, interval: 100 }];
  const order = new OrderRecord();
  await add(scene, 0, count);
  await strand(scene, 0);
  const [times, others] = [[], []];
  const processor = (job) => {
    times.push(Date.now());
    if (job.key === 'other') return others.push(order.jobs);
    order.begin(job);
    order.end(job);
  };
  const began = Date.now();
  const { consumer } = await playOrdered(scene, processor, { partitions: 2, lease: 2000, limit });
  const waiting = watchWaiting(scene, consumer);
  await until(() => order.jobs > 0);
  await add(scene, 1, 50, { names: ['other'] });
  await until(() => order.jobs === count && others.length === 50, { timeout: 40000 });
  order.check();
  for (const [at, time] of times.entries()) {
    const least = Math.floor(at / limit.max) * limit.interval;
    assert.ok(time - began >= least - 2, `start ${at} after ${time - began} ms, not ${least} ms`);
  }
  assert.ok(waiting.most > 0 && waiting.most <= LIMIT + 250, `${waiting.most} entries waited`);
  assert.ok(others.at(-1) < count, 'the other partition did not wait for the takeover');
});

ours('a takeover of large entries claims few of them at a time', async (_, scene) => {
  const size = 256 * 1024;
  await add(scene, 0, 120, { fields: ['val:body', JSON.stringify('x'.repeat(size)), 'own', '1'] });
  await strand(scene, 0, 1);
  const monitor = await scene.monitor();
  const order = new OrderRecord();
  const processor = async (job) => {
    order.begin(job);
    const { body } = await job.get('body').pull();
    assert.ok(body.length >= size);
    order.end(job);
  };
  const { consumer } = await playOrdered(scene, processor, { partitions: 1, lease: 2000, concurrency: 1 });
  const waiting = watchWaiting(scene, consumer);
  await until(() => order.jobs === 120, { timeout: 20000 });
  order.check();
  // 16 MiB wait, and those of the first page.
  assert.ok(waiting.most <= 64 + 16, `${waiting.most} entries waited`);
  const claims = (await monitor.commands()).filter(
    ([name, ...words]) => name === 'XCLAIM' && !words.includes('JUSTID'),
  );
  const [first, ...rest] = claims.map((words) => words.filter((word) => /^\d+-\d+$/.test(word)).length);
  assert.ok(first <= 16 && Math.max(...rest) <= 4, `claims of ${first}, ${rest}`);
});
