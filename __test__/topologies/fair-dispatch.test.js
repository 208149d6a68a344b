'use strict';

/* Fair dispatch over the partitions of a Cluster and of several nodes: shares, caps, pauses and takeovers. */

const assert = require('node:assert');
const { ours, oursWithin } = require('../support/cases.js');
const { Latencies, Runs, SLOTS, ascending, play, send, waiting } = require('../support/keyed-jobs.js');
const { partitionsBy, pendingIn, severalServers } = require('../support/several-servers.js');
const { stays, until } = require('../support/wait-until.js');

const PARTITIONS = 6;
const CLAIMS = { claimInterval: 50, claimDeadline: 300 };
const FLOOD = 1_000;
const [SMALL, SMALL_KEYS] = [20, ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']];

/** Fails unless each server has partitions of the case's stream. */
async function spreads(scene, servers) {
  const found = await partitionsBy(servers, scene.stream);
  const counts = found.map(({ length }) => length);
  assert.ok(Math.min(...counts) > 0, `${counts} partitions`);
}

for (const [kind, arrange] of Object.entries(severalServers)) {
  oursWithin(60_000)(`nine keys end while a key with a thousand jobs goes on, on ${kind}`, async (_, scene) => {
    const { servers, connect } = await arrange(scene);
    const given = { connection: connect(), partitions: PARTITIONS };
    await send(scene, 'a', FLOOD, given);
    for (const key of SMALL_KEYS) await send(scene, key, SMALL, given);
    const runs = new Runs();
    runs.isHeld = false;
    const latencies = new Latencies(scene, runs, 'a');
    // The look-ahead has all jobs of a partition, so no key is hidden behind the first one.
    await play(scene, latencies.run, { ...given, fair: { waiting: 2 * FLOOD } });
    await until(() => latencies.count === SMALL_KEYS.length * SMALL, { timeout: 40_000 });
    await spreads(scene, servers);
    const late = latencies.p95;
    // Without fair dispatch the jobs of a key in the same partition begin behind all of the first one.
    assert.ok(late < FLOOD / 5, `${late} jobs of the first key began before 95 % of the others`);
    for (const key of SMALL_KEYS) assert.deepStrictEqual(runs.numbers(key), ascending(SMALL), `order of ${key}`);
    await until(() => runs.order.length === FLOOD + SMALL_KEYS.length * SMALL, { timeout: 40_000 });
    assert.strictEqual(new Set(runs.order).size, runs.order.length, 'no job ran twice');
  });

  ours(`a key runs no more jobs than its cap in all partitions of ${kind}`, async (_, scene) => {
    const { servers, connect } = await arrange(scene);
    const given = { connection: connect(), partitions: PARTITIONS };
    for (const key of ['a', ...SMALL_KEYS]) await send(scene, key, key === 'a' ? 100 : SMALL, given);
    // Jobs without a key are in all partitions, and one key together.
    await send(scene, undefined, 60, given);
    await spreads(scene, servers);
    const runs = new Runs();
    const consumer = await play(scene, runs.hold, { ...given, concurrency: 64, fair: { cap: 2, waiting: 200 } });
    const all = 2 * (SMALL_KEYS.length + 2);
    await until(() => runs.all === all);
    await stays(() => runs.all === all, 50);
    assert.deepStrictEqual([...new Set(runs.running.values())], [2]);
    assert.strictEqual((await consumer.stats({ timeout: 0 })).availableSlots, 64 - all);
    runs.free();
    await until(() => runs.order.length === 160 + SMALL_KEYS.length * SMALL, { timeout: 20_000 });
    assert.deepStrictEqual([...new Set(runs.most.values())], [2]);
    assert.strictEqual(new Set(runs.order).size, runs.order.length, 'no job ran twice');
    await until(async () => (await pendingIn(scene, servers)) === 0);
  });

  ours(`pause hands the waiting entries of ${kind} back, and another consumer runs each once`, async (_, scene) => {
    const { servers, connect } = await arrange(scene);
    const given = { connection: connect(), partitions: PARTITIONS };
    const names = ['a', ...SMALL_KEYS];
    for (const key of names) await send(scene, key, SMALL, given);
    const runs = new Runs();
    const claims = { ...CLAIMS, claimDeadline: 60_000 };
    const first = await play(scene, runs.hold, { ...given, ...claims, fair: { waiting: 200 } });
    const count = names.length * SMALL;
    await until(async () => runs.all === SLOTS && (await waiting(first)) === count - SLOTS);
    assert.strictEqual(await pendingIn(scene, servers), count);
    const paused = first.pause();
    const deliveries = [];
    const others = new Runs();
    others.isHeld = false;
    const second = await play(scene, others.hold, { connection: connect(), partitions: PARTITIONS, ...claims });
    second.on('claimed', ({ deliveryCount }) => deliveries.push(deliveryCount));
    // Long before the claim deadline, since they were handed back.
    await until(() => others.order.length === count - SLOTS, { timeout: 20_000 });
    runs.free();
    await paused;
    assert.strictEqual(new Set([...runs.order, ...others.order]).size, count);
    assert.strictEqual(runs.order.length, SLOTS);
    assert.ok(deliveries.length > 0 && deliveries.every((delivery) => delivery === 1), deliveries.join());
    await until(async () => (await pendingIn(scene, servers)) === 0);
  });

  ours(`another consumer runs the waiting entries of a killed one on ${kind}, each once`, async (_, scene) => {
    const { servers, connect, bus } = await arrange(scene);
    const given = { connection: connect(), partitions: PARTITIONS };
    const names = ['a', ...SMALL_KEYS];
    for (const key of names) await send(scene, key, SMALL, given);
    const [count, running] = [names.length * SMALL, 4];
    const child = scene.child(
      async ({ hfxbus, data, connect, print }) => {
        const consumer = new hfxbus.Consumer(connect(data), { group: data.group, concurrency: data.running });
        consumer.process({
          stream: data.stream,
          partitions: data.partitions,
          fair: { waiting: 200 },
          fromId: '0',
          processor: () => new Promise(() => {}),
        });
        await consumer.play();
        while ((await consumer.stats({ timeout: 0 })).waiting < data.waiting) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        print('waits');
      },
      {
        data: {
          ...bus,
          stream: scene.stream,
          group: scene.group,
          partitions: PARTITIONS,
          running,
          waiting: count - running,
        },
      },
    );
    await child.says('waits');
    assert.strictEqual(await pendingIn(scene, servers), count);
    child.kill();
    const runs = new Runs();
    runs.isHeld = false;
    const options = { ...given, ...CLAIMS, concurrency: 6, fair: { cap: 2, waiting: 10 } };
    const consumer = await play(scene, runs.hold, options);
    await until(() => runs.order.length >= count, { timeout: 20_000 });
    await until(async () => (await pendingIn(scene, servers)) === 0);
    assert.strictEqual(new Set(runs.order).size, count);
    assert.strictEqual(runs.order.length, count);
    assert.deepStrictEqual([Math.max(...runs.most.values()) <= 2, await waiting(consumer)], [true, 0]);
  });
}
