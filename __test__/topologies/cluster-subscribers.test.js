'use strict';

const assert = require('node:assert');
const { ours, oursWithin } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** Completion channels that each node has a subscriber for. */
function channels(cluster) {
  return Promise.all(cluster.primaries.map((node) => node.call('PUBSUB', 'CHANNELS', keys.channel('*', '*'))));
}

/** Names of the streams whose own channel a node has a subscriber for, in order. */
async function streamsByNode(cluster, producer, streams) {
  const byNode = await channels(cluster);
  return byNode.map((found) => streams.filter((stream) => found.includes(keys.channel(stream, producer.id))));
}

/** A bus whose consumer does the jobs of some streams, and a function that waits for a job of each. */
async function begin(scene, cluster, streams) {
  const consumer = scene.consumer({ concurrency: 8 }, scene.connectCluster(cluster));
  for (const stream of streams) consumer.process({ stream, processor: async () => {} });
  await consumer.play();
  const connection = scene.connectCluster(cluster);
  const producer = scene.producer(connection);
  const errors = scene.errors(producer);
  const work = async (stream) => {
    const job = await producer.send({ stream, job: producer.job(), waitFor: [scene.group] });
    const { [scene.group]: at } = await job.finished(10000);
    assert.ok(at instanceof Date);
  };
  return { connection, producer, errors, work };
}

ours('each node of a Cluster has a subscriber for the completions of its own streams alone', async (_, scene) => {
  const cluster = await scene.cluster();
  const streams = await cluster.spread(6, scene.name('stream'), keys.stream);
  const { connection, producer, errors, work } = await begin(scene, cluster, streams);
  await Promise.all(streams.map(work));
  const expected = [0, 1, 2].map((node) => streams.filter((_, at) => at % 3 === node));
  await until(async () => {
    assert.deepStrictEqual(await streamsByNode(cluster, producer, streams), expected);
    return true;
  });
  assert.deepStrictEqual(errors, []);
  await connection.stop();
  await until(async () => (await streamsByNode(cluster, producer, streams)).flat().length === 0);
});

ours('a subscription follows the slot of its stream, and misses no completion', async (_, scene) => {
  const cluster = await scene.cluster();
  const streams = await cluster.spread(6, scene.name('stream'), keys.stream);
  const { producer, errors, work } = await begin(scene, cluster, streams);
  await Promise.all(streams.map(work));
  const moved = streams[0];
  const place = async () => (await streamsByNode(cluster, producer, streams)).map((found) => found.includes(moved));
  let isOver = false;
  let done = 0;
  const works = streams.map(async (stream) => {
    for (; !isOver; done++) await work(stream);
  });
  for (const node of [1, 2, 0]) {
    await cluster.move([await cluster.slot(keys.stream(moved))], cluster.primaries[node]);
    const expected = [0, 1, 2].map((at) => at === node);
    await until(async () => String(await place()) === String(expected));
    const before = done;
    await until(() => done > before + streams.length);
  }
  isOver = true;
  await Promise.all(works);
  assert.deepStrictEqual(errors, []);
});

ours(
  'all producers of a bus share the subscriber of a node, and one without a subscription is closed',
  async (_, scene) => {
    const cluster = await scene.cluster();
    const streams = await cluster.spread(3, scene.name('stream'), keys.stream);
    const name = scene.name('connection');
    const connection = scene.connectCluster(cluster, { redisOptions: { connectionName: name } });
    const subscribers = async () => {
      const lists = await Promise.all(cluster.nodes.map((node) => node.call('CLIENT', 'LIST', 'TYPE', 'pubsub')));
      return lists.map((list) => list.split(` name=${name} `).length - 1);
    };
    for (const stream of [streams[0], streams[1], streams[0], streams[1]]) {
      await scene.producer(connection).listen(stream);
    }
    assert.deepStrictEqual(await subscribers(), [1, 1, 0]);
    const heard = [];
    const producer = scene.producer(connection);
    producer.on(streams[1], (_error, job) => heard.push(job));
    await producer.listen(streams[1]);
    await cluster.move([await cluster.slot(keys.stream(streams[1]))], cluster.primaries[0]);
    // The command for the slot finds its new node, and all connections read the slots again.
    await producer.send({ stream: streams[1], job: producer.job() });
    await until(async () => String(await subscribers()) === '1,0,0');
    const message = JSON.stringify({ str: streams[1], grp: 'g', job: 'moved' });
    // The pattern can be between its two subscribers.
    await until(async () => {
      await cluster.primaries[0].call('PUBLISH', keys.channel(streams[1], 'other'), message);
      return heard.length > 0;
    });
    assert.deepStrictEqual([...new Set(heard)], ['moved']);
    await connection.stop();
    await until(async () => String(await subscribers()) === '0,0,0');
  },
);

ours('a pattern of any stream and own channels deliver each completion once', async (_, scene) => {
  const cluster = await scene.cluster();
  const prefix = scene.name('stream');
  const streams = await cluster.spread(3, prefix, keys.stream);
  const { producer, work } = await begin(scene, cluster, streams);
  const listener = scene.producer(scene.connectCluster(cluster));
  const [own, overheard] = [[], []];
  for (const stream of streams) {
    producer.on(stream, () => own.push(stream));
    listener.on(stream, () => overheard.push(stream));
  }
  await producer.listen();
  await listener.listen(`${prefix}*`);
  for (let round = 0; round < 2; round++) await Promise.all(streams.map(work));
  await until(() => own.length >= 6 && overheard.length >= 6);
  const twice = [...streams, ...streams].sort();
  assert.deepStrictEqual([own.sort(), overheard.sort()], [twice, twice]);
});

oursWithin(60_000)(
  'subscriptions whose slots move to and fro stay in place, and miss no completion',
  async (_, scene) => {
    const cluster = await scene.ownCluster();
    const streams = await cluster.spread(30, scene.name('stream'), keys.stream);
    const { producer, errors, work } = await begin(scene, cluster, streams);
    await Promise.all(streams.map(work));
    const slots = await Promise.all(streams.map((stream) => cluster.slot(keys.stream(stream))));
    let isOver = false;
    // A wait that misses its completion rejects long before the query that would find it.
    const works = streams.map(async (stream) => {
      while (!isOver) await work(stream);
    });
    const moves = (async () => {
      for (let round = 1; round <= 6; round++) await cluster.move(slots, cluster.primaries[round % 3]);
      isOver = true;
    })();
    await Promise.all([moves, ...works]);
    // The node that has all of the slots has all of the subscriptions.
    await until(async () => {
      const [found] = await streamsByNode(cluster, producer, streams);
      return found.length === streams.length;
    });
    assert.deepStrictEqual(errors, []);
  },
);
