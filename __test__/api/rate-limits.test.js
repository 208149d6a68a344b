'use strict';

/* Rate limits of a group: at most so many starts in a window, over all of its consumers. */

const assert = require('node:assert');
const { isSince, ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const CLAIMS = { claimInterval: 50, claimDeadline: 300 };
/** A window that no test sees the end of. */
const ENDLESS = 3_600_000;

/** A consumer on a connection of its own, whose processor notes the time and the id of each start. */
async function limited(scene, limit, { starts = [], processor, stream, partitions, ordered, batch, ...options } = {}) {
  const consumer = scene.consumer({ ...CLAIMS, concurrency: 10, ...options }, scene.connect());
  const errors = scene.errors(consumer);
  const run = (job) => {
    starts.push({ at: Date.now(), id: job.id, key: job.key });
    return processor?.(job);
  };
  const several = (jobs) => Promise.all(jobs.map(run));
  const given = { partitions, ordered, batch, limit, processor: batch === undefined ? run : several };
  consumer.process({ stream: stream ?? scene.stream, ...given });
  await consumer.play();
  return { consumer, starts, errors };
}

/** Sends numbered jobs, and returns the time before the first one. */
async function send(scene, count, { from = 0, ...options } = {}) {
  const producer = scene.producer();
  const began = Date.now();
  const numbers = Array.from({ length: count }, (_, at) => from + at);
  await producer.sendAll(numbers.map((at) => ({ stream: scene.stream, ...options, job: producer.job(`${at}`) })));
  return began;
}

/** Fails if a start came before its window: the first one begins after `began`, and each lasts for `interval`. */
function check(starts, began, { max, interval }) {
  const sorted = starts.map(({ at }) => at).sort((left, right) => left - right);
  for (const [at, time] of sorted.entries()) {
    const least = Math.floor(at / max) * interval;
    assert.ok(time - began >= least - 2, `start ${at} after ${time - began} ms, not ${least} ms`);
  }
}

const ids = (starts) => starts.map(({ id }) => Number(id)).sort((left, right) => left - right);
const numbers = (count) => Array.from({ length: count }, (_, at) => at);

ours('the consumers of several processes start at most max jobs in a window, and use its budget', async (_, scene) => {
  const [limit, count] = [{ max: 50, interval: 200 }, 1000];
  const starts = [];
  const hear = ([at, id]) => {
    if (id !== undefined) starts.push({ at, id });
    return id !== undefined;
  };
  const run = async ({ hfxbus, options, data, print }) => {
    const connection = hfxbus.ConnectionManager.standalone(options);
    const consumer = new hfxbus.Consumer(connection, { group: data.group, concurrency: 20, claimInterval: 1000 });
    const processor = ({ id }) => print(Date.now(), id);
    consumer.process({ stream: data.stream, limit: data.limit, processor });
    await consumer.play();
    print('plays');
  };
  const data = { group: scene.group, stream: scene.stream, limit };
  const children = [1, 2, 3, 4].map(() => scene.child(run, { data, hear, limit: 25_000 }));
  await until(() => children.every(({ printed }) => printed.length === 1), { timeout: 20_000 });
  const began = await send(scene, count);
  await until(() => starts.length === count, { timeout: 20_000 });
  check(starts, began, limit);
  assert.deepStrictEqual(ids(starts), numbers(count));
  const ideal = (count / limit.max - 1) * limit.interval;
  const took = Math.max(...starts.map(({ at }) => at)) - began;
  // 90 % and more on a machine that is not busy.
  assert.ok(took < 2 * ideal, `${took} ms instead of ${ideal} ms`);
});

ours('consumers that wait for a window send few commands and leave the jobs in the stream', async (_, scene) => {
  const monitor = await scene.monitor();
  const [starts, limit] = [[], { max: 2, interval: 700 }];
  const all = [];
  for (let at = 0; at < 3; at++) all.push(await limited(scene, limit, { starts, claimInterval: 60_000 }));
  const began = await send(scene, 8);
  await until(() => starts.length === 2);
  const { limitedFor } = await all[0].consumer.stats();
  assert.ok(limitedFor <= 750, `${limitedFor}`);
  await until(() => starts.length === 8);
  check(starts, began, limit);
  const count = async (...names) => (await monitor.named(...names)).length;
  // At most one request and one read of each consumer in each window, and some at the begin.
  assert.ok((await count('INCRBY')) <= 24, `${await count('INCRBY')} INCRBY`);
  assert.ok((await count('XREADGROUP')) <= 30, `${await count('XREADGROUP')} XREADGROUP`);
});

ours('a consumer leaves the jobs that its window does not permit unread', async (_, scene) => {
  const { starts, consumer } = await limited(scene, { max: 3, interval: ENDLESS }, { concurrency: 100 });
  await send(scene, 20);
  await until(() => starts.length === 3);
  await until(async () => (await consumer.stats()).limitedFor > 0);
  const [{ lag, pending }] = (await consumer.stats()).streams;
  assert.ok(pending <= 3, `${pending} pending`);
  // Older ones do not count the unread entries.
  if (isSince(7)) assert.ok(lag >= 17, `lag of ${lag}`);
  else assert.strictEqual(lag, null);
});

ours('keys have budgets of their own, with and without partitions', async (_, scene) => {
  for (const partitions of [undefined, 4]) {
    const stream = scene.name('keyed');
    const limit = { max: 2, interval: ENDLESS, key: true };
    const { starts } = await limited(scene, limit, { stream, partitions, concurrency: 2 });
    await send(scene, 30, { stream, partitions, key: 'a' });
    await send(scene, 3, { stream, partitions, key: 'b', from: 100 });
    await send(scene, 3, { stream, partitions, from: 200 });
    const count = (key) => starts.filter((start) => start.key === key).length;
    await until(() => count('a') === 2 && count('b') === 2 && count(undefined) === 2);
    const left = keys.stream(stream);
    assert.ok(partitions !== undefined || (await scene.redis.call('XLEN', left)) === 36);
    assert.strictEqual(starts.length, 6);
  }
});

ours('the jobs of a key go on in its next window', async (_, scene) => {
  const limit = { max: 2, interval: 150, key: true };
  const starts = [];
  await limited(scene, limit, { starts });
  await limited(scene, limit, { starts });
  const began = await send(scene, 7, { key: 'a' });
  await send(scene, 7, { key: 'b', from: 7 });
  await until(() => starts.length === 14);
  for (const key of ['a', 'b']) {
    check(
      starts.filter((start) => start.key === key),
      began,
      limit,
    );
  }
  assert.deepStrictEqual(ids(starts), numbers(14));
});

ours('retries take permits', async (_, scene) => {
  const limit = { max: 1, interval: 400 };
  const fails = ({ id }) => {
    if (id === '0' && starts.length < 3) throw new Error('no');
  };
  const starts = [];
  await limited(scene, limit, { starts, processor: fails, backoff: { type: 'fixed', delay: 0 } });
  const began = await send(scene, 1);
  await until(() => starts.length === 3);
  check(starts, began, limit);
});

ours('a failed job runs again while a backlog takes all permits', async (_, scene) => {
  const [starts, limit] = [[], { max: 2, interval: 60 }];
  const fails = ({ id }) => {
    if (id === '0' && starts.filter((start) => start.id === '0').length < 3) throw new Error('no');
  };
  const options = { starts, processor: fails, claimDeadline: 100, backoff: { type: 'fixed', delay: 0 } };
  for (let at = 0; at < 2; at++) await limited(scene, limit, options);
  const began = await send(scene, 150);
  await until(() => starts.filter(({ id }) => id === '0').length === 3);
  assert.ok(starts.length < 120, `after ${starts.length} starts`);
  check(starts, began, limit);
});

ours('a pause returns the jobs that wait at once, and another consumer runs them', async (_, scene) => {
  const limit = { max: 2, interval: ENDLESS, key: true };
  const { consumer, starts } = await limited(scene, limit);
  await send(scene, 9, { key: 'a' });
  await until(async () => (await consumer.stats()).waiting === 7);
  await consumer.pause(4000);
  assert.deepStrictEqual([starts.length, (await consumer.stats()).waiting], [2, 0]);
  const deliveries = [];
  const free = await limited(scene, undefined);
  free.consumer.on('claimed', ({ deliveries: count }) => deliveries.push(count));
  await until(() => free.starts.length === 7);
  assert.deepStrictEqual(ids([...starts, ...free.starts]), numbers(9));
});

ours('a stop does not wait for the next window, and the process can end', async (_, scene) => {
  const run = async ({ hfxbus, options, data, print }) => {
    const connection = hfxbus.ConnectionManager.standalone(options);
    const consumer = new hfxbus.Consumer(connection, { group: 'g', concurrency: 9, claimInterval: 100 });
    const producer = new hfxbus.Producer(connection);
    const first = new Promise((resolve) => {
      consumer.process({ stream: data.stream, limit: { max: 1, interval: 3_600_000 }, processor: resolve });
    });
    await consumer.play();
    for (let at = 0; at < 5; at++) await producer.send({ stream: data.stream, job: producer.job() });
    await first;
    await connection.stop();
    print('stopped');
  };
  const child = scene.child(run, { data: { stream: scene.stream } });
  await child.exit();
  assert.deepStrictEqual(child.printed, [['stopped']]);
});

ours('permits that a killed consumer had taken are there again in the next window', async (_, scene) => {
  const limit = { max: 5, interval: 1500 };
  const run = async ({ hfxbus, options, data, print }) => {
    const connection = hfxbus.ConnectionManager.standalone(options);
    const consumer = new hfxbus.Consumer(connection, { group: data.group, concurrency: 9, claimInterval: 100 });
    const processor = (job) => {
      print(job.id);
      return new Promise(() => {});
    };
    consumer.process({ stream: data.stream, limit: data.limit, processor });
    await consumer.play();
    print('plays');
  };
  const child = scene.child(run, { data: { group: scene.group, stream: scene.stream, limit } });
  await until(() => child.printed.length === 1);
  const began = await send(scene, 12);
  await until(() => child.printed.length === 6);
  child.kill();
  const { starts } = await limited(scene, limit);
  await until(() => starts.length === 12, { timeout: 12_000 });
  check([...numbers(5).map(() => ({ at: began })), ...starts], began, limit);
  assert.deepStrictEqual(ids(starts), numbers(12));
});

ours('a limit can be changed and removed while jobs wait for it', async (_, scene) => {
  const { consumer, starts } = await limited(scene, { max: 1, interval: ENDLESS, key: true });
  await send(scene, 4, { key: 'a' });
  await until(async () => (await consumer.stats()).waiting === 3);
  consumer.process({ stream: scene.stream, processor: ({ id }) => starts.push({ id }) });
  await consumer.play();
  await until(() => starts.length === 4);
  assert.deepStrictEqual(ids(starts), numbers(4));
});
