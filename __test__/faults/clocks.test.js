'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { stays, until } = require('../support/wait-until.js');
const { ClockedServer } = require('./clock.js');

const HOUR = 3600;

/** A consumer with a job that runs until the gate is opened, and another one that claims. */
async function stage(scene, connect, claimDeadline) {
  const gate = new Gate();
  const starts = [];
  const run = async (job) => {
    starts.push(job.id);
    if (job.id === 'runs') await gate.opened;
  };
  await scene.play(run, { connection: connect(), claimDeadline });
  await scene.producer(connect()).send({ stream: scene.stream, job: scene.producer(connect()).job('runs') });
  await until(() => starts.length === 1);
  const claimer = await scene.play(run, { connection: connect(), claimInterval: 20, claimDeadline, concurrency: 9 });
  return { gate, starts, claimer };
}

/** Resolves once the claimer has looked again, some times. */
async function looks(monitor, times = 5) {
  await monitor.clear();
  await until(async () => (await monitor.named('XPENDING')).length >= times);
}

async function clocked(scene) {
  const redis = await ClockedServer.start();
  scene.closing(() => redis.kill());
  return { redis, connect: () => scene.connect(redis.options), monitor: await scene.monitor(redis) };
}

ours('a running job is not claimed when the clock of Redis is set forward, and back', async (_, scene) => {
  const { redis, connect, monitor } = await clocked(scene);
  const { gate, starts } = await stage(scene, connect, 600);
  await looks(monitor);
  for (const offset of [HOUR, 0, -HOUR, 0, 1, 2 * HOUR]) {
    redis.clock.wrongBy(offset);
    await looks(monitor);
    // For longer than a jump is remembered.
    if (offset === 2 * HOUR) await stays(() => starts.length === 1, 2000);
    assert.deepStrictEqual(starts, ['runs']);
  }
  gate.open();
  await until(async () => (await scene.pending({ redis })) === 0);
  assert.deepStrictEqual(starts, ['runs']);
});

ours('an abandoned entry is claimed after it really was idle, for any clock of Redis', async (_, scene) => {
  const { redis, connect, monitor } = await clocked(scene);
  const { gate, starts, claimer } = await stage(scene, connect, 1000);
  await looks(monitor);
  const claimed = new Promise((resolve) => claimer.once('claimed', resolve));
  // In one step, so that neither of the two reads it first.
  const script = `redis.call('XADD', KEYS[1], '*', 'prd', 'nobody', 'job', 'stranded')
    redis.call('XREADGROUP', 'GROUP', ARGV[1], 'gone', 'STREAMS', KEYS[1], '>')`;
  const since = performance.now();
  await redis.call('EVAL', script, 1, keys.stream(scene.stream), keys.group(scene.group));
  redis.clock.wrongBy(HOUR);
  const { consumerId, idleTime } = await claimed;
  assert.ok(performance.now() - since >= 990, 'not before it was idle');
  assert.ok(idleTime >= HOUR * 1000, 'it had been seen to lie there before the jump');
  await until(() => starts.length === 2);
  assert.deepStrictEqual([consumerId, starts], ['gone', ['runs', 'stranded']]);
  gate.open();
});

ours('a running job is not claimed when a node with another clock takes over a Cluster’s slots', async (_, scene) => {
  const cluster = await scene.ownCluster({ replicas: true, kind: ClockedServer });
  for (const replica of cluster.replicas) replica.clock.wrongBy(HOUR);
  const { gate, starts } = await stage(scene, () => scene.connectCluster(cluster), 5000);
  const home = await cluster.home(keys.stream(scene.stream));
  const replica = cluster.replicas[cluster.primaries.indexOf(home)];
  const [before, after] = [await scene.monitor(home), await scene.monitor(replica)];
  await looks(before);
  await cluster.failOver(replica);
  await looks(after, 20);
  assert.deepStrictEqual(starts, ['runs']);
  gate.open();
});
