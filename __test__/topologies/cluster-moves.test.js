'use strict';

const assert = require('node:assert');
const { setTimeout: sleep } = require('node:timers/promises');
const { fix, ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** A bus on a Cluster: a consumer of some streams, and what does a job on one of them. */
async function begin(scene, cluster, streams, options, connecting) {
  const connection = scene.connectCluster(cluster, connecting);
  const ran = new Map();
  const consumer = scene.consumer({ concurrency: 4, ...options }, connection);
  const processor = async (job) => {
    const { value } = await job.get('value', false).pull();
    ran.set(job.id, (ran.get(job.id) ?? 0) + 1);
    await job.set('reply', value).push();
  };
  for (const stream of streams) consumer.process({ stream, processor });
  await consumer.play();
  const producer = scene.producer(scene.connectCluster(cluster, connecting));
  const errors = [...[consumer, producer].map((emitter) => scene.errors(emitter))];
  const work = async (stream) => {
    const job = producer.job();
    await job.set('value', job.id).push();
    await producer.send({ stream, job, waitFor: [scene.group] });
    await job.finished(10000);
    assert.deepStrictEqual(await job.get('reply', false).pull(), { reply: job.id });
    assert.strictEqual(ran.get(job.id), 1);
  };
  return { consumer, producer, errors, ran, work };
}

fix('a stream is read and written at every step of a slot migration, without errors', async (_, scene) => {
  const cluster = await scene.cluster();
  const { errors, work } = await begin(scene, cluster, [scene.stream]);
  const key = keys.stream(scene.stream);
  await work(scene.stream);
  for (let round = 0; round < 3; round++) {
    const from = cluster.primaries.indexOf(await cluster.home(key));
    const move = await cluster.beginMove(await cluster.slot(key), cluster.primaries[(from + 1) % 3]);
    await work(scene.stream);
    await move.keys(key);
    await work(scene.stream);
    await work(scene.stream);
    await move.all();
    await move.end();
    await work(scene.stream);
  }
  assert.deepStrictEqual(errors, [[], []]);
});

fix('two streams of one slot are read again when both have moved', async (_, scene) => {
  const cluster = await scene.cluster();
  const tag = scene.name('tag');
  const [one, other] = [`{${tag}}a`, `{${tag}}b`];
  const { errors, ran, work } = await begin(scene, cluster, [one, other], { blockTimeout: 50 });
  for (const stream of [one, other]) await work(stream);
  const key = keys.stream(one);
  const from = cluster.primaries.indexOf(await cluster.home(key));
  const move = await cluster.beginMove(await cluster.slot(key), cluster.primaries[(from + 1) % 3]);
  await move.keys(key);
  // A read of both is answered by TRYAGAIN on either node.
  const works = [work(one), work(other)];
  const isRefused = async (node) => (await node.call('INFO', 'errorstats')).includes('errorstat_TRYAGAIN');
  await until(async () => (await Promise.all(cluster.primaries.map(isRefused))).includes(true));
  await move.all();
  await move.end();
  await Promise.all(works);
  assert.deepStrictEqual([errors, ran.size], [[[], []], 4]);
});

fix('a manual failover loses nothing, and causes no errors', async (_, scene) => {
  const cluster = await scene.cluster({ replicas: true });
  const streams = await cluster.spread(6, scene.name('stream'), keys.stream);
  const { errors, work } = await begin(scene, cluster, streams);
  let isOver = false;
  const works = streams.map(async (stream) => {
    while (!isOver) await work(stream);
  });
  const replica = cluster.replicas.find((node) => node.isRunning);
  await cluster.failOver(replica);
  for (const stream of streams) await work(stream);
  isOver = true;
  await Promise.all(works);
  assert.deepStrictEqual(errors, [[], []]);
});

fix('writes that a replaced primary holds back are done by the new primary', async (_, scene) => {
  const cluster = await scene.ownCluster({ replicas: true });
  const key = keys.stream(scene.stream);
  const old = await cluster.home(key);
  const { errors, work } = await begin(scene, cluster, [scene.stream]);
  await work(scene.stream);
  await old.call('CLIENT', 'PAUSE', 60000, 'WRITE');
  const held = work(scene.stream);
  await cluster.failOver(cluster.replicas[cluster.primaries.indexOf(old)]);
  await held;
  await work(scene.stream);
  assert.deepStrictEqual(errors, [[], []]);
});

fix('a killed primary is replaced by its replica, and acknowledged sends run', async (_, scene) => {
  const cluster = await scene.ownCluster({ replicas: true });
  const streams = await cluster.spread(3, scene.name('stream'), keys.stream);
  const { ran, work, producer } = await begin(scene, cluster, streams, { claimInterval: 100, claimDeadline: 300 });
  for (const stream of streams) await work(stream);
  const victim = await cluster.home(keys.stream(streams[0]));
  const sent = [];
  const killed = Date.now();
  victim.crash();
  // Sent while no node serves the slot: they wait for the next node that does.
  const sends = streams.map(async (stream) => {
    const job = producer.job();
    await job.set('value', 1).push();
    sent.push((await producer.send({ stream, job })).id);
  });
  await Promise.all(sends);
  await until(() => sent.every((id) => ran.has(id)), { timeout: 15000 });
  // The time after which a node counts as gone, what electing a replica takes, and two seconds.
  assert.ok(Date.now() - killed < 1000 + 3000 + 2000, `${Date.now() - killed} ms`);
});

fix('entries on a replica run on the same consumer after their primary is killed', async (_, scene) => {
  const cluster = await scene.ownCluster({ replicas: true });
  const key = keys.stream(scene.stream);
  const victim = await cluster.home(key);
  const gate = new Gate();
  const [started, ran] = [new Set(), new Set()];
  const processor = async (job) => {
    started.add(job.id);
    await gate.opened;
    ran.add(job.id);
  };
  const claiming = { claimInterval: 100, claimDeadline: 300 };
  await scene.play(processor, { connection: scene.connectCluster(cluster), concurrency: 4, ...claiming });
  const jobs = Array.from({ length: 20 }, (_, nth) => `job-${nth}`);
  for (const job of jobs) await cluster.call('XADD', key, '*', 'prd', 'nobody', 'job', job);
  await until(() => started.size === 4);
  assert.strictEqual(await victim.call('WAIT', 1, 5000), 1);
  victim.crash();
  gate.open();
  const replica = cluster.replicas[cluster.primaries.indexOf(victim)];
  await until(async () => (await replica.call('ROLE'))[0] === 'master', { timeout: 20000 });
  const replaced = Date.now();
  await until(() => ran.size === jobs.length, { timeout: 15000 });
  assert.ok(Date.now() - replaced < 2000, `${Date.now() - replaced} ms`);
  await until(async () => (await replica.call('XPENDING', key, keys.group(scene.group)))[0] === 0);
});

fix('natMap translates announced addresses that are unreachable, also when a slot moves', async (_, scene) => {
  const announced = (port) => port - 20000;
  const cluster = await scene.ownCluster({ settings: (port) => ['cluster-announce-port', `${announced(port)}`] });
  const places = cluster.nodes.map(({ port }) => [`127.0.0.1:${announced(port)}`, { host: '127.0.0.1', port }]);
  const { errors, work } = await begin(scene, cluster, [scene.stream], {}, { natMap: Object.fromEntries(places) });
  const key = keys.stream(scene.stream);
  await work(scene.stream);
  const from = cluster.primaries.indexOf(await cluster.home(key));
  const move = await cluster.beginMove(await cluster.slot(key), cluster.primaries[(from + 1) % 3]);
  await move.all();
  // Answered by ASK, then by MOVED, with what is announced.
  await work(scene.stream);
  await move.end();
  await work(scene.stream);
  assert.deepStrictEqual(errors, [[], []]);
});

ours('an unreachable Cluster costs the process little CPU time', async (_, scene) => {
  const cluster = await scene.ownCluster();
  const { work } = await begin(scene, cluster, [scene.stream]);
  await work(scene.stream);
  for (const node of cluster.nodes) node.crash();
  const producer = scene.producer(scene.connectCluster(cluster));
  const waiting = Array.from({ length: 100 }, () =>
    producer.send({ stream: scene.stream, job: producer.job() }).catch(() => {}),
  );
  // The first attempts come close after one another.
  await sleep(500);
  const before = process.cpuUsage();
  await sleep(1000);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 250000, `${user + system} µs`);
  assert.strictEqual(waiting.length, 100);
});
