'use strict';

const assert = require('node:assert');
const { ours, oursSince } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** Cases of SSUBSCRIBE and SPUBLISH. */
const oursSharded = oursSince(7);
const SHARDED = { completions: 'sharded' };

/** Sum of a counter of CLUSTER INFO over all nodes. */
async function counted(cluster, name) {
  const texts = await Promise.all(cluster.nodes.map((node) => node.call('CLUSTER', 'INFO')));
  const counts = texts.map((text) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1] ?? 0));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** A bus whose consumer does the jobs of some streams, and a function that waits for a job of each. */
async function begin(scene, cluster, streams, options = SHARDED) {
  const consumer = scene.consumer({ concurrency: 8 }, scene.connectCluster(cluster));
  const processor = async (job) => job.set('answer', job.id);
  for (const stream of streams) consumer.process({ stream, processor });
  await consumer.play();
  const connection = scene.connectCluster(cluster, options);
  const producer = scene.producer(connection);
  const errors = [...[consumer, producer].map((emitter) => scene.errors(emitter))];
  const work = async (stream) => {
    const job = producer.job();
    await producer.send({ stream, job, waitFor: [scene.group], returns: ['answer'] });
    const { [scene.group]: at } = await job.finished(10000);
    assert.ok(at instanceof Date);
    assert.deepStrictEqual(await job.get('answer', false).pull(), { answer: job.id });
  };
  return { connection, consumer, producer, errors, work };
}

oursSharded('sharded completions do not cross the bus of a Cluster', async (_, scene) => {
  const cluster = await scene.cluster();
  const streams = await cluster.spread(6, scene.name('stream'), keys.stream);
  const sent = (kind) => counted(cluster, `cluster_stats_messages_${kind}_sent`);
  const published = await begin(scene, cluster, streams, {});
  const before = await sent('publish');
  await Promise.all(streams.map(published.work));
  // Each of three nodes sends each message to the two others.
  await until(async () => (await sent('publish')) === before + 2 * streams.length);
  await published.consumer.pause();
  const { work, errors } = await begin(scene, cluster, streams);
  const quiet = [await sent('publish'), await sent('publishshard')];
  for (let round = 0; round < 5; round++) await Promise.all(streams.map(work));
  assert.deepStrictEqual([await sent('publish'), await sent('publishshard')], quiet);
  assert.deepStrictEqual(errors, [[], []]);
});

oursSharded('a failure and its error arrive on the sharded channel', async (_, scene) => {
  const cluster = await scene.cluster();
  const [stream] = await cluster.spread(1, scene.name('stream'), keys.stream);
  const consumer = scene.consumer({ concurrency: 1 }, scene.connectCluster(cluster));
  consumer.process({
    stream,
    processor: async () => {
      throw Object.assign(new Error('no'), { code: 'NO' });
    },
  });
  await consumer.play();
  const producer = scene.producer(scene.connectCluster(cluster, SHARDED));
  const heard = [];
  producer.on(stream, (...args) => heard.push(args));
  await producer.listen();
  const before = await counted(cluster, 'cluster_stats_messages_publish_sent');
  const job = await producer.send({ stream, job: producer.job(), waitFor: [scene.group] });
  const { [scene.group]: error } = await job.finished({ timeout: 8000, rejectOnError: false }).catch((failed) => {
    return { [scene.group]: failed };
  });
  assert.strictEqual(error.code, 'NO');
  await until(() => heard.length === 1);
  assert.strictEqual(heard[0][1], job.id);
  assert.strictEqual(await counted(cluster, 'cluster_stats_messages_publish_sent'), before);
});

oursSharded('sharded subscriptions follow their slots, and miss no completion', async (_, scene) => {
  const cluster = await scene.cluster();
  const streams = await cluster.spread(6, scene.name('stream'), keys.stream);
  const { producer, errors, work } = await begin(scene, cluster, streams);
  await Promise.all(streams.map(work));
  const [moved] = streams;
  const slot = await cluster.slot(keys.stream(moved));
  const subscribed = async () => {
    const found = await Promise.all(cluster.primaries.map((node) => node.call('PUBSUB', 'SHARDCHANNELS')));
    return found.map((channels) => channels.filter((channel) => channel.endsWith(`:${moved}:${producer.id}`)).length);
  };
  let isOver = false;
  let done = 0;
  const works = streams.map(async (stream) => {
    for (; !isOver; done++) await work(stream);
  });
  for (const node of [1, 2, 0]) {
    await cluster.move([slot], cluster.primaries[node]);
    const expected = [0, 1, 2].map((at) => (at === node ? 1 : 0));
    await until(async () => String(await subscribed()) === String(expected));
    const before = done;
    await until(() => done > before + streams.length);
  }
  isOver = true;
  await Promise.all(works);
  assert.deepStrictEqual(errors, [[], []]);
});

oursSharded('sharded subscriptions survive the death of their primary', async (_, scene) => {
  const cluster = await scene.cluster({ replicas: true });
  const streams = await cluster.spread(3, scene.name('stream'), keys.stream);
  const { work } = await begin(scene, cluster, streams);
  await Promise.all(streams.map(work));
  cluster.primaries[0].kill();
  await until(async () => (await Promise.allSettled(streams.map(work))).every(({ status }) => status === 'fulfilled'), {
    timeout: 25000,
  });
});

oursSharded('consumers of 2.2.0 complete jobs of a producer with sharded completions', async (_, scene) => {
  const cluster = await scene.cluster();
  const [stream] = await cluster.spread(1, scene.name('stream'), keys.stream);
  const original = require('hfxbus-original');
  const connection = original.ConnectionManager.cluster(cluster.startupNodes);
  scene.closing(() => connection.stop({ maxWait: 1000 }));
  const consumer = new original.Consumer(connection, { group: scene.group, blockTimeout: 100 });
  consumer.process({ stream, processor: async (job) => job.set('answer', job.id).push() });
  await consumer.play();
  const producer = scene.producer(scene.connectCluster(cluster, SHARDED));
  const heard = [];
  producer.on(stream, (_error, job) => heard.push(job));
  await producer.listen();
  for (let round = 0; round < 20; round++) {
    const job = await producer.send({ stream, job: producer.job(), waitFor: [scene.group] });
    await job.finished(8000);
    assert.deepStrictEqual(await job.get('answer', false).pull(), { answer: job.id });
  }
  await until(() => heard.length === 20);
  await consumer.pause();
});

oursSharded('streams whose slot no channel can have use ordinary channels', async (_, scene) => {
  const cluster = await scene.cluster();
  const stream = `${scene.name('stream')}}odd`;
  const { work } = await begin(scene, cluster, [stream]);
  const before = await counted(cluster, 'cluster_stats_messages_publish_sent');
  await work(stream);
  await until(async () => (await counted(cluster, 'cluster_stats_messages_publish_sent')) === before + 2);
});

oursSharded('a refused sharded subscription rejects the send, and leaves no ordinary one', async (_, scene) => {
  const cluster = await scene.cluster();
  const [stream] = await cluster.spread(1, scene.name('stream'), keys.stream);
  const username = scene.name('user');
  const rules = [username, 'on', '>pass', 'allkeys', 'allchannels', '+@all', '-ssubscribe'];
  for (const node of cluster.nodes) await node.call('ACL', 'SETUSER', ...rules);
  const redisOptions = { username, password: 'pass' };
  const producer = scene.producer(scene.connectCluster(cluster, { ...SHARDED, redisOptions }));
  const send = () => producer.send({ stream, job: producer.job(), waitFor: [scene.group] });
  await assert.rejects(send(), { code: 'NOPERM', command: 'SSUBSCRIBE' });
  assert.strictEqual(await cluster.call('XLEN', keys.stream(stream)), 0);
  const channel = keys.channel(stream, producer.id);
  const subscribed = () => Promise.all(cluster.nodes.map((node) => node.call('PUBSUB', 'CHANNELS', channel)));
  await until(async () => (await subscribed()).flat().length === 0);
  for (const node of cluster.nodes) await node.call('ACL', 'SETUSER', username, '+ssubscribe');
  await send();
  assert.deepStrictEqual((await subscribed()).flat(), [channel]);
});

ours('completions must be published or sharded', async (_, scene) => {
  for (const completions of ['', 'both', 1, {}]) {
    assert.throws(() => scene.hfxbus.ConnectionManager.cluster(['localhost:1'], { completions }), {
      name: 'TypeError',
      message: "completions must be 'published' or 'sharded'",
    });
  }
});
