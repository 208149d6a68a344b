'use strict';

/* The owner of entries that a consumer has read ahead: their lease, and their return to the group. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { jobs } = require('../support/stranded.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { stays, until } = require('../support/wait-until.js');

/** No entry is idle for so long by itself. */
const LONG = { claimInterval: 20, claimDeadline: 60_000 };
const NAMES = jobs(10);

/** Starts a consumer whose first job waits for a gate, with the other entries waiting. */
async function holding(scene, { names = NAMES, redis, ...options } = {}) {
  for (const name of names) await scene.add(name, { redis });
  const on = { ids: [], gate: new Gate() };
  const processor = async ({ id }) => {
    on.ids.push(id);
    await on.gate.opened;
  };
  on.consumer = await scene.play(processor, { readAhead: 20, fromId: '0', ...options });
  on.errors = scene.errors(on.consumer);
  on.waiting = async () => (await on.consumer.stats({ timeout: 0 })).waiting;
  await until(async () => (await on.waiting()) === names.length - 1);
  return on;
}

/** Starts a consumer that claims and records the entries that it claimed. */
async function claiming(scene, options) {
  const on = { ids: [], claimed: [] };
  on.consumer = await scene.play(async ({ id }) => on.ids.push(id), { ...LONG, ...options });
  on.consumer.on('claimed', (entry) => on.claimed.push(entry));
  return on;
}

const none = async (scene, where) => (await scene.pending(where)) === 0;

ours('pause() hands back the waiting entries, and another consumer runs them at once', async (_, scene) => {
  const first = await holding(scene, LONG);
  const paused = first.consumer.pause();
  await until(async () => (await first.waiting()) === 0);
  // With retryLimit 1 a delivery without a start must not count.
  const second = await claiming(scene, { retryLimit: 1 });
  await until(() => second.ids.length === NAMES.length - 1);
  assert.deepStrictEqual(second.ids, NAMES.slice(1));
  assert.deepStrictEqual([...new Set(second.claimed.map(({ deliveryCount }) => deliveryCount))], [1]);
  first.gate.open();
  await paused;
  await until(() => none(scene));
  assert.deepStrictEqual([first.ids, first.errors], [NAMES.slice(0, 1), []]);
});

ours('stop() hands back the waiting entries, and another consumer runs them at once', async (_, scene) => {
  const connection = scene.connect();
  const first = await holding(scene, { ...LONG, connection });
  const stopped = connection.stop();
  const second = await claiming(scene);
  await until(() => second.ids.length === NAMES.length - 1);
  first.gate.open();
  await stopped;
  assert.deepStrictEqual([first.ids, second.ids], [NAMES.slice(0, 1), NAMES.slice(1)]);
  await until(() => none(scene));
});

ours('stop() that does not wait hands back the running job and the waiting entries', async (_, scene) => {
  const connection = scene.connect();
  const first = await holding(scene, { connection });
  await connection.stop({ maxWait: 1 });
  const rows = await scene.redis.call('XPENDING', keys.stream(scene.stream), keys.group(scene.group), '-', '+', 100);
  assert.deepStrictEqual(
    rows.map(([, , idle, deliveries]) => [idle > 60_000, deliveries]),
    NAMES.map((_name, index) => [true, index === 0 ? 1 : 0]),
  );
  const second = await claiming(scene);
  await until(() => second.ids.length === NAMES.length);
  assert.deepStrictEqual([first.ids, await first.waiting()], [NAMES.slice(0, 1), 0]);
});

ours('a consumer that plays again runs the entries that it handed back, in their order', async (_, scene) => {
  const on = await holding(scene, { claimInterval: 60_000 });
  const paused = on.consumer.pause();
  await until(async () => (await on.waiting()) === 0);
  on.gate.open();
  await paused;
  await stays(() => on.ids.length === 1, 30);
  const more = jobs(20, 'more');
  for (const name of more) await scene.add(name);
  await on.consumer.play();
  await until(() => on.ids.length === NAMES.length + more.length);
  assert.deepStrictEqual(on.ids, [...NAMES, ...more]);
  await until(() => none(scene));
});

ours('play() during a pause runs the entries that were handed back', async (_, scene) => {
  const on = await holding(scene, { claimInterval: 60_000 });
  const paused = on.consumer.pause();
  await on.consumer.play();
  on.gate.open();
  await until(() => on.ids.length === NAMES.length);
  assert.deepStrictEqual(on.ids, NAMES);
  await until(() => none(scene));
  await paused;
});

ours('entries that are handed back several times count as delivered once', async (_, scene) => {
  const on = await holding(scene, { claimInterval: 60_000 });
  for (let round = 0; round < 4; round++) {
    const paused = on.consumer.pause();
    await until(async () => (await on.waiting()) === 0);
    await on.consumer.play();
    await until(async () => (await on.waiting()) === NAMES.length - 1);
    paused.catch(() => {});
  }
  const rows = await scene.redis.call('XPENDING', keys.stream(scene.stream), keys.group(scene.group), '-', '+', 100);
  assert.deepStrictEqual(
    rows.map((row) => row[3]),
    NAMES.map(() => 1),
  );
  on.gate.open();
  await until(() => on.ids.length === NAMES.length);
  assert.deepStrictEqual([on.ids, (await on.consumer.stats()).retried], [NAMES, 0]);
});

ours('a consumer that plays again after a forced stop runs the entries that it forgot', async (_, scene) => {
  const connection = scene.connect();
  const on = await holding(scene, { connection });
  await connection.stop({ force: true });
  assert.strictEqual(await on.waiting(), 0);
  on.gate.open();
  await on.consumer.play();
  await until(() => on.ids.length === NAMES.length);
  assert.deepStrictEqual(on.ids, NAMES);
});

ours('without claimInterval a pause ends after the waiting jobs', async (_, scene) => {
  const on = await holding(scene);
  let isPaused = false;
  const paused = on.consumer.pause().then(() => {
    isPaused = true;
  });
  await stays(() => !isPaused, 30);
  on.gate.open();
  await paused;
  assert.deepStrictEqual(on.ids, NAMES);
  await until(() => none(scene));
});

ours('every job runs once while the consumer pauses and plays', async (_, scene) => {
  const ids = [];
  const consumer = await scene.play(async ({ id }) => ids.push(id), { ...LONG, readAhead: 8 });
  const errors = scene.errors(consumer);
  const names = jobs(200);
  for (let at = 0; at < names.length; at += 5) {
    const added = Promise.all(names.slice(at, at + 5).map((name) => scene.add(name)));
    if (at % 2 === 0) await added;
    await consumer.pause();
    await consumer.play();
    await added;
  }
  await until(() => ids.length >= names.length);
  await until(() => none(scene));
  assert.deepStrictEqual([[...ids].sort(), errors], [[...names].sort(), []]);
});

ours('a live consumer keeps its waiting entries after claimDeadline', async (_, scene) => {
  const claimDeadline = 1000;
  const first = await holding(scene, { claimDeadline });
  const second = await claiming(scene, { claimDeadline });
  await stays(() => second.claimed.length === 0, 3 * claimDeadline);
  await second.consumer.pause();
  first.gate.open();
  await until(() => first.ids.length === NAMES.length);
  assert.deepStrictEqual([first.ids, second.claimed], [NAMES, []]);
});

ours('another consumer claims the waiting entries of a killed consumer', async (_, scene) => {
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      const connection = hfxbus.ConnectionManager.standalone(options);
      const consumer = new hfxbus.Consumer(connection, { group: data.group, readAhead: 20 });
      await consumer.process({ stream: data.stream, fromId: '0', processor: () => new Promise(() => {}) }).play();
      const count = async () => (await consumer.stats({ timeout: 0 })).waiting;
      while ((await count()) < data.count) await new Promise((resolve) => setTimeout(resolve, 5));
      print('waits');
    },
    { data: { stream: scene.stream, group: scene.group, count: NAMES.length - 1 } },
  );
  for (const name of NAMES) await scene.add(name);
  await child.says('waits');
  child.kill();
  await child.exit();
  const second = await claiming(scene, { claimDeadline: 500 });
  await until(() => second.ids.length === NAMES.length);
  assert.deepStrictEqual(second.ids, NAMES);
  await until(() => none(scene));
});

ours('a lost connection starts no waiting job twice', async (_, scene) => {
  const redis = await scene.server();
  const proxy = await TcpProxy.to(redis.port);
  scene.closing(() => proxy.close());
  const connection = scene.connect({ ...proxy.options, retryStrategy: () => 20, maxRetriesPerRequest: null });
  const on = await holding(scene, { redis, connection });
  proxy.reset();
  await until(async () => (await on.consumer.stats({ timeout: 0 })).own.reconnects > 0);
  await scene.add('last', { redis });
  on.gate.open();
  await until(() => on.ids.at(-1) === 'last');
  assert.deepStrictEqual(on.ids, [...NAMES, 'last']);
  await until(() => none(scene, { redis }));
});

ours('a consumer that was cut off runs no waiting job that another consumer claimed', async (_, scene) => {
  const claimDeadline = 1000;
  const redis = await scene.server();
  const proxy = await TcpProxy.to(redis.port);
  scene.closing(() => proxy.close());
  const connection = scene.connect({ ...proxy.options, retryStrategy: () => 20, maxRetriesPerRequest: null });
  const on = await holding(scene, { redis, connection, claimDeadline });
  proxy.refuse();
  proxy.reset();
  const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  const idle = async () => (await redis.call('XPENDING', key, group, '-', '+', 100)).map((row) => [row[0], row[2]]);
  const taken = await until(async () => {
    const rows = await idle();
    return rows.every(([, ms]) => ms > 1.5 * claimDeadline) && rows.slice(1, 5).map(([id]) => id);
  });
  await redis.call('XCLAIM', key, group, 'other', claimDeadline, ...taken, 'JUSTID');
  on.gate.open();
  await stays(() => on.ids.length === 1, 100);
  proxy.refuse(false);
  await until(() => on.ids.length === NAMES.length - taken.length);
  assert.deepStrictEqual(on.ids, [NAMES[0], ...NAMES.slice(5)]);
  await until(async () => (await scene.pending({ redis })) === taken.length && (await on.waiting()) === 0);
});

ours(
  'a consumer that stood still for longer than claimDeadline continues with its waiting entries',
  async (_, scene) => {
    const claimDeadline = 1000;
    const child = scene.child(
      async ({ hfxbus, options, data, print }) => {
        const connection = hfxbus.ConnectionManager.standalone(options);
        const given = { group: data.group, readAhead: 20, claimDeadline: data.claimDeadline, blockTimeout: 60_000 };
        const consumer = new hfxbus.Consumer(connection, given);
        const gate = new Promise((resolve) => process.once('SIGUSR2', resolve));
        const ids = [];
        const processor = async (job) => {
          await gate;
          ids.push(job.id);
          if (ids.length === data.count) print('ran', ids);
        };
        await consumer.process({ stream: data.stream, fromId: '0', processor }).play();
        const count = async () => (await consumer.stats({ timeout: 0 })).waiting;
        while ((await count()) < data.count - 1) await new Promise((resolve) => setTimeout(resolve, 5));
        print('waits');
      },
      { data: { stream: scene.stream, group: scene.group, count: NAMES.length, claimDeadline } },
    );
    for (const name of NAMES) await scene.add(name);
    await child.says('waits');
    child.signal('SIGSTOP');
    const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
    await until(async () => (await scene.redis.call('XPENDING', key, group, '-', '+', 1))[0][2] > 2 * claimDeadline);
    child.signal('SIGUSR2');
    child.signal('SIGCONT');
    const [ids] = await child.says('ran');
    assert.deepStrictEqual(ids, NAMES);
    await until(() => none(scene));
  },
);

ours('a waiting job without a lease starts once Redis has renewed it', async (_, scene) => {
  const claimDeadline = 1000;
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const on = await holding(scene, { redis, connection, claimDeadline, blockTimeout: 60_000 });
  const silent = Date.now();
  redis.freeze();
  await until(() => Date.now() - silent > 2 * claimDeadline);
  on.gate.open();
  await stays(() => on.ids.length === 1, 100);
  redis.thaw();
  await until(() => on.ids.length === NAMES.length);
  assert.deepStrictEqual(on.ids, NAMES);
  await until(() => none(scene, { redis }));
});

ours('stop() ends while Redis is away and the waiting entries have no lease', async (_, scene) => {
  const claimDeadline = 1000;
  const redis = await scene.server();
  const proxy = await TcpProxy.to(redis.port);
  scene.closing(() => proxy.close());
  const connection = scene.connect({ ...proxy.options, retryStrategy: () => 20, maxRetriesPerRequest: null });
  const on = await holding(scene, { redis, connection, claimDeadline });
  proxy.refuse();
  proxy.reset();
  const away = Date.now();
  await until(() => Date.now() - away > 2 * claimDeadline);
  on.gate.open();
  const began = Date.now();
  await connection.stop();
  assert.ok(Date.now() - began < 15_000);
  assert.deepStrictEqual(on.ids, NAMES.slice(0, 1));
});
