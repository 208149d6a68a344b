'use strict';

const assert = require('node:assert');
const { fix, ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** A consumer that plays, and what sends one job and waits until it was run. */
async function begin(scene, cluster, streams) {
  const connection = scene.connectCluster(cluster, { slotsRefreshInterval: 200 });
  const ran = [];
  const consumer = scene.consumer({ concurrency: 4, blockTimeout: 0 }, connection);
  for (const stream of streams) consumer.process({ stream, processor: async ({ id }) => ran.push(id) });
  const errors = scene.errors(consumer);
  await consumer.play();
  const producer = scene.producer(connection);
  const work = async (stream) => {
    const { id } = await producer.send({ stream, job: producer.job() });
    await until(() => ran.includes(id), { timeout: 15000, what: `a job of ${stream}` });
  };
  return { consumer, errors, work };
}

async function isBlocking(node) {
  return /blocked_clients:1\r/.test(await node.call('INFO', 'clients'));
}

ours('a silent primary is replaced by its replica, also for calls that wait on it', async (_, scene) => {
  const cluster = await scene.ownCluster({ replicas: true });
  const streams = await cluster.spread(3, scene.name('stream'), keys.stream);
  const { work } = await begin(scene, cluster, streams);
  await Promise.all(streams.map(work));
  const victim = await cluster.home(keys.stream(streams[0]));
  const frozen = performance.now();
  victim.freeze();
  await Promise.all(streams.map(work));
  // Long before the connection counts as silent: the other nodes name the new primary.
  assert.ok(performance.now() - frozen < 8000, `${performance.now() - frozen} ms`);
});

fix('a primary without a replica is used again after it is back, although it lost all data', async (_, scene) => {
  const cluster = await scene.ownCluster();
  const streams = await cluster.spread(3, scene.name('stream'), keys.stream);
  const { errors, work } = await begin(scene, cluster, streams);
  await Promise.all(streams.map(work));
  const victim = await cluster.home(keys.stream(streams[0]));
  const other = cluster.nodes.find((node) => node !== victim);
  victim.crash();
  const works = streams.map(work);
  await until(async () => (await other.call('CLUSTER', 'INFO')).includes('cluster_state:fail'));
  await victim.start();
  await cluster.settled();
  await Promise.all(works);
  const told = errors.map(({ command, message }) => `${command}: ${message}`);
  assert.strictEqual(new Set(told).size, told.length, told.join('\n'));
});

ours('pause() is as prompt on a node to which the stream has moved', async (_, scene) => {
  const cluster = await scene.ownCluster();
  const { consumer, errors, work } = await begin(scene, cluster, [scene.stream]);
  await work(scene.stream);
  const key = keys.stream(scene.stream);
  const from = await cluster.home(key);
  const to = cluster.primaries.find((node) => node !== from);
  await until(() => isBlocking(from));
  await cluster.move([await cluster.slot(key)], to);
  await until(() => isBlocking(to));
  const started = performance.now();
  await consumer.pause();
  assert.ok(performance.now() - started < 1500, `${performance.now() - started} ms`);
  assert.deepStrictEqual(errors, []);
});
