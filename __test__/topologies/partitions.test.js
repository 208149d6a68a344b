'use strict';

/* Partitioned streams on a Cluster and on several nodes: their spread and their growth. */

const assert = require('node:assert');
const { isSince, ours, oursSince } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const COUNT = 64;
const LIMIT = 1.25;

/** Sends jobs over all partitions, waits for their ends, and resolves with the keys of the streams by server. */
async function spread(scene, { connection, servers, options = {}, stream = scene.stream }) {
  const consumer = scene.consumer({ concurrency: 32, ...options }, connection());
  const seen = new Set();
  consumer.process({ stream, partitions: COUNT, processor: async (job) => void seen.add(job.key) });
  await consumer.play();
  const producer = scene.producer(connection());
  const given = Array.from({ length: 1000 }, (_, at) => `key-${at}`);
  const sent = given.map((key) => {
    return producer.send({ stream, partitions: COUNT, key, job: producer.job(), waitFor: [scene.group] });
  });
  const jobs = await Promise.all(sent);
  await Promise.all(jobs.map((job) => job.finished(20000)));
  assert.strictEqual(seen.size, given.length);
  const { streams } = await consumer.stats();
  const lag = isSince(7) ? 0 : null;
  assert.deepStrictEqual(streams, [{ stream, group: scene.group, lag, pending: 0, delayed: 0 }]);
  const found = await Promise.all(servers.map((server) => server.call('KEYS', keys.stream(`${stream}#*`))));
  assert.strictEqual(found.flat().length, COUNT);
  return found;
}

function checkSpread(found) {
  const fair = COUNT / found.length;
  const busiest = Math.max(...found.map(({ length }) => length));
  assert.ok(busiest <= LIMIT * fair, `${busiest} of ${COUNT} partitions are on one of ${found.length} servers`);
}

for (const completions of ['published', 'sharded']) {
  const register = completions === 'sharded' ? oursSince(7) : ours;
  register(`64 partitions are spread evenly over a Cluster, with ${completions} completions`, async (_, scene) => {
    const cluster = await scene.cluster();
    const options = completions === 'sharded' ? { completions } : {};
    const connection = () => scene.connectCluster(cluster, options);
    checkSpread(await spread(scene, { connection, servers: cluster.primaries }));
  });
}

ours('64 partitions are spread evenly over several nodes, whatever the route of the consumer', async (_, scene) => {
  const servers = await scene.nodes();
  const connection = () => scene.partition(servers);
  checkSpread(await spread(scene, { connection, servers }));
});

ours('growth on a Cluster brings every job to the group', async (_, scene) => {
  const cluster = await scene.cluster();
  const consumer = scene.consumer({ concurrency: 8 }, scene.connectCluster(cluster));
  const seen = new Set();
  consumer.process({ stream: scene.stream, partitions: 2, processor: async ({ key }) => void seen.add(key) });
  await consumer.play();
  const producer = scene.producer(scene.connectCluster(cluster));
  const given = Array.from({ length: 200 }, (_, at) => `key-${at}`);
  await Promise.all(
    given.slice(0, 100).map((key) => producer.send({ stream: scene.stream, partitions: 2, key, job: producer.job() })),
  );
  await Promise.all(
    given.slice(100).map((key) => producer.send({ stream: scene.stream, partitions: 12, key, job: producer.job() })),
  );
  await until(() => seen.size === given.length);
});

for (const kind of ['a Cluster', 'several nodes']) {
  ours(`ordered partitions on ${kind} run the jobs of a key in order, and move between consumers`, async (_, scene) => {
    const servers = kind === 'a Cluster' ? await scene.cluster() : await scene.nodes();
    const connect = () => (kind === 'a Cluster' ? scene.connectCluster(servers) : scene.partition(servers));
    const runs = new Map();
    const running = new Set();
    let overlaps = 0;
    const play = async () => {
      const options = { claimInterval: 50, claimDeadline: 1000, concurrency: 8 };
      const consumer = scene.consumer(options, connect());
      const owned = new Set();
      consumer.on('assigned', ({ partition }) => owned.add(partition));
      consumer.on('revoked', ({ partition }) => owned.delete(partition));
      const processor = async ({ key, id }) => {
        if (running.has(key)) overlaps++;
        running.add(key);
        await new Promise((resolve) => setImmediate(resolve));
        running.delete(key);
        runs.set(key, [...(runs.get(key) ?? []), Number(id)]);
      };
      consumer.process({ stream: scene.stream, partitions: 6, ordered: { lease: 500 }, processor });
      await consumer.play();
      return { consumer, owned };
    };
    const first = await play();
    await until(() => first.owned.size === 6);
    const producer = scene.producer(connect());
    const send = (from) => {
      const numbers = Array.from({ length: 200 }, (_, at) => from + at);
      return producer.sendAll(
        numbers.map((number) => {
          const job = producer.job(`${number}`);
          return { stream: scene.stream, partitions: 6, key: `k${number % 20}`, job };
        }),
      );
    };
    await send(0);
    const second = await play();
    await send(200);
    await until(() => second.owned.size > 0 && first.owned.size + second.owned.size === 6);
    await send(400);
    await first.consumer.pause();
    await until(() => second.owned.size === 6);
    await until(() => [...runs.values()].reduce((sum, { length }) => sum + length, 0) === 600);
    assert.strictEqual(overlaps, 0);
    for (const ids of runs.values()) {
      assert.deepStrictEqual(
        ids,
        [...ids].sort((left, right) => left - right),
      );
    }
  });
}
