'use strict';

const assert = require('node:assert');
const { fix, keep, ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { jobs, strand } = require('../support/stranded.js');
const { until } = require('../support/wait-until.js');

/** Returns streams with keys in different slots, on all nodes in turn. */
async function spread(scene, cluster, count) {
  return cluster.spread(count, scene.name('stream'), keys.stream);
}

function add(cluster, stream, job, producer = 'nobody') {
  return cluster.call('XADD', keys.stream(stream), '*', 'prd', producer, 'job', job);
}

async function pending(cluster, stream, group) {
  const [count] = await cluster.call('XPENDING', keys.stream(stream), keys.group(group));
  return count;
}

/** Connections of anybody but the tests and the nodes themselves. */
async function connections(cluster) {
  const lists = await Promise.all(cluster.nodes.map((node) => node.call('CLIENT', 'LIST')));
  const isBus = (line) => line !== '' && !/ cmd=client(\|list)? /.test(line) && !/ flags=[MS]/.test(line);
  return lists.flatMap((list) => list.trim().split('\n').filter(isBus));
}

keep('B-112 a job goes there and back: payload, entry, completion, stream event', async (_, scene) => {
  const cluster = await scene.cluster();
  const connection = scene.connectCluster(cluster, { keyPrefix: 'mine', enablePipelining: false });
  const processor = async (job) => {
    const { request } = await job.get('request').del('request').pull();
    await job.set('reply', Buffer.concat([request, Buffer.from([0, 255])])).push();
  };
  await scene.play(processor, { connection });
  const producer = scene.producer(connection);
  const heard = [];
  producer.on(scene.stream, (...args) => heard.push(args));
  await producer.listen();
  const job = producer.job();
  await job.set('request', Buffer.from('abc')).push();
  await producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
  const { [scene.group]: at } = await job.finished(8000);
  assert.ok(at instanceof Date);
  const pull = () => job.get('request').get('reply').pull();
  // In a Cluster the key is removed once the settlement is confirmed, so the completion can be there before that.
  await until(async () => (await pull()).request === null);
  assert.deepStrictEqual(await pull(), { request: null, reply: Buffer.from('abc\0\xff', 'latin1') });
  assert.deepStrictEqual(heard, [[null, job.id, scene.group]]);
  assert.strictEqual(await cluster.call('XLEN', `mine:str:${scene.stream}`), 1);
});

keep('a pattern receives the completions of streams on all nodes', async (_, scene) => {
  const cluster = await scene.cluster();
  const connection = scene.connectCluster(cluster);
  const producer = scene.producer(connection);
  const streams = await spread(scene, cluster, 3);
  const heard = [];
  for (const stream of streams) producer.on(stream, (_error, job) => heard.push([stream, job]));
  await producer.listen('stream*');
  for (const [at, stream] of streams.entries()) {
    const message = JSON.stringify({ str: stream, grp: 'g', job: `job-${at}` });
    await cluster.nodes[at].call('PUBLISH', keys.channel(stream, 'other'), message);
  }
  await until(() => heard.length === 3);
  assert.deepStrictEqual(
    heard.sort(),
    streams.map((stream, at) => [stream, `job-${at}`]),
  );
});

/** On how many nodes, by their place, a connection of that name listens. */
async function subscribersOf(cluster, name) {
  const lists = await Promise.all(cluster.nodes.map((node) => node.call('CLIENT', 'LIST', 'TYPE', 'pubsub')));
  return lists.map((list) => list.split('\n').filter((line) => line.includes(` name=${name} `)).length);
}

ours('completions are received on the node that publishes them, with one subscriber', async (_, scene) => {
  const cluster = await scene.cluster();
  const ways = [async () => {}, (producer) => producer.listen(), (producer, stream) => producer.listen(stream)];
  for (const listen of ways) {
    for (const [at, stream] of (await spread(scene, cluster, 3)).entries()) {
      const name = scene.name('connection');
      const connection = scene.connectCluster(cluster, { redisOptions: { connectionName: name } });
      const states = [];
      for (const state of ['reconnecting', 'error']) connection.on(state, () => states.push(state));
      await scene.play(async () => {}, { connection, stream });
      const producer = scene.producer(connection);
      await listen(producer, stream);
      const job = await producer.send({ stream, job: producer.job(), waitFor: [scene.group] });
      await job.finished(8000);
      const home = cluster.nodes.indexOf(await cluster.home(keys.stream(stream)));
      const expected = cluster.nodes.map((_, node) => (node === home ? 1 : 0));
      await until(async () => String(await subscribersOf(cluster, name)) === String(expected));
      assert.deepStrictEqual([home, states], [at, []]);
      await connection.stop();
    }
  }
});

fix('B-112 payload keys can be in any slots, for any enablePipelining', async (_, scene) => {
  const cluster = await scene.cluster();
  for (const enablePipelining of [true, false]) {
    const connection = scene.connectCluster(cluster, { enablePipelining });
    const job = scene.producer(connection).job();
    const names = Array.from({ length: 40 }, (_, index) => `key-${index}`);
    for (const [index, name] of names.entries()) job.set(name, index);
    await job.push();
    for (const name of names) job.get(name, false).del(name);
    assert.deepStrictEqual(await job.pull(), Object.fromEntries(names.map((name, index) => [name, index])));
    assert.deepStrictEqual(await job.get('key-0').pull(), { 'key-0': null });
  }
});

fix('B-113 one consumer reads streams in any slots, under one concurrency limit', async (_, scene) => {
  const cluster = await scene.cluster();
  const connection = scene.connectCluster(cluster);
  const streams = await spread(scene, cluster, 8);
  const gate = new Gate();
  const ran = [];
  let [running, most] = [0, 0];
  const consumer = scene.consumer({ concurrency: 5 }, connection);
  const processor = async (job) => {
    most = Math.max(most, ++running);
    await gate.opened;
    running--;
    ran.push(job.id);
  };
  for (const stream of streams) consumer.process({ stream, processor });
  const errors = scene.errors(consumer);
  await consumer.play();
  const jobs = streams.flatMap((stream) => [0, 1, 2].map((nth) => [stream, `${stream}/${nth}`]));
  for (const [stream, job] of jobs) await add(cluster, stream, job);
  await until(() => running === 5);
  gate.open();
  await until(() => ran.length === jobs.length);
  assert.deepStrictEqual([ran.sort(), most, errors], [jobs.map(([, job]) => job).sort(), 5, []]);
  for (const stream of streams) await until(async () => (await pending(cluster, stream, scene.group)) === 0);
});

fix('B-113 a stream that is added later is read from the next play() on, in any slot', async (_, scene) => {
  const cluster = await scene.cluster();
  const connection = scene.connectCluster(cluster);
  const [first, second, third] = await spread(scene, cluster, 3);
  const ran = [];
  const processor = async (job) => ran.push(job.id);
  const consumer = await scene.play(processor, { connection, stream: first, blockTimeout: 60000 });
  consumer.process({ stream: second, processor }).process({ stream: third, processor });
  await consumer.play();
  for (const stream of [first, second, third]) await add(cluster, stream, stream);
  await until(() => ran.length === 3);
});

fix('B-114 B-092 idle entries are claimed in every slot, and exhausted ones are dead-lettered', async (_, scene) => {
  const cluster = await scene.cluster();
  const connection = scene.connectCluster(cluster);
  const streams = await spread(scene, cluster, 4);
  const group = keys.group(scene.group);
  for (const stream of streams) {
    const home = await cluster.home(keys.stream(stream));
    await home.call('XGROUP', 'CREATE', keys.stream(stream), group, '0', 'MKSTREAM');
    for (const kind of ['good', 'bad']) await add(cluster, stream, `${kind}/${stream}`);
    await home.call('XREADGROUP', 'GROUP', group, 'gone', 'COUNT', '9', 'STREAMS', keys.stream(stream), '>');
  }
  const ran = new Set();
  const deadLetter = scene.name('dead');
  const claiming = { claimInterval: 40, claimDeadline: 100, retryLimit: 2, deadLetter };
  const consumer = scene.consumer({ ...claiming, concurrency: 10 }, connection);
  const processor = async (job) => {
    if (job.id.startsWith('bad')) throw new Error('bad');
    ran.add(job.id);
  };
  for (const stream of streams) consumer.process({ stream, processor });
  const errors = scene.errors(consumer);
  await consumer.play();
  const letters = new scene.hfxbus.DeadLetters(connection, deadLetter);
  await until(async () => (await letters.list()).length === 4);
  for (const stream of streams) await until(async () => (await pending(cluster, stream, scene.group)) === 0);
  assert.deepStrictEqual(
    (await letters.list()).map(({ jobId, reason, deliveries }) => [jobId, reason, deliveries]).sort(),
    streams.map((stream) => [`bad/${stream}`, 'exhausted', 2]).sort(),
  );
  assert.deepStrictEqual([[...ran].sort(), errors], [streams.map((stream) => `good/${stream}`).sort(), []]);
});

fix('DISTRIBUTED_ROUTING has no effect on a Cluster', async (_, scene) => {
  const cluster = await scene.cluster();
  const connection = scene.connectCluster(cluster);
  const { DISTRIBUTED_ROUTING: route } = scene.hfxbus;
  await scene.play(async () => {}, { connection, route });
  const producer = scene.producer(connection);
  const job = await producer.send({ stream: scene.stream, job: producer.job(), route, waitFor: [scene.group] });
  await job.finished(8000);
});

fix('pause() and stop() do not wait for reads, and leave no connection', async (_, scene) => {
  const cluster = await scene.ownCluster();
  const connection = scene.connectCluster(cluster);
  const streams = await spread(scene, cluster, 4);
  const consumer = scene.consumer({ blockTimeout: 0 }, connection);
  for (const stream of streams) consumer.process({ stream, processor: async () => {} });
  await consumer.play();
  await scene.producer(connection).listen();
  const blocked = async () => {
    const infos = await Promise.all(cluster.nodes.map((node) => node.call('INFO', 'clients')));
    return infos.map((info) => Number(info.match(/blocked_clients:(\d+)/)[1])).reduce((sum, one) => sum + one);
  };
  await until(async () => (await blocked()) === 4);
  const started = Date.now();
  await consumer.pause();
  await consumer.play();
  await until(async () => (await blocked()) === 4);
  await connection.stop();
  assert.ok(Date.now() - started < 4000, `${Date.now() - started} ms`);
  await until(async () => (await connections(cluster)).length === 0);
});

ours('the process ends after stop, and holds no more connections than it needs', async (_, scene) => {
  const cluster = await scene.ownCluster();
  const child = scene.child(
    ({ hfxbus, data, print }) => {
      const connection = hfxbus.ConnectionManager.cluster(data.startupNodes);
      const consumer = new hfxbus.Consumer(connection, { group: 'g', claimInterval: 50 });
      consumer.process({ stream: 's', processor: async () => {} });
      const producer = new hfxbus.Producer(connection);
      const main = async () => {
        await consumer.play();
        const job = await producer.send({ stream: 's', job: producer.job(), waitFor: ['g'] });
        await job.finished();
        process.once('SIGTERM', async () => {
          await connection.stop();
          print('stopped');
        });
        print('done');
      };
      main();
    },
    { data: { startupNodes: cluster.startupNodes } },
  );
  await child.says('done');
  // One to each node, one to hear on, one to wait on, one that asks for the slots.
  assert.ok((await connections(cluster)).length <= 6);
  child.signal('SIGTERM');
  await child.says('stopped');
  assert.deepStrictEqual([(await child.exit()).code, child.stderr], [0, '']);
});

fix('B-119 sends wait for an unreachable Cluster until its retries end', async (_, scene) => {
  const options = { redisOptions: { connectTimeout: 500 } };
  const times = [];
  const clusterRetryStrategy = (attempt) => {
    times.push(attempt);
    return attempt < 4 ? 20 : null;
  };
  const connection = scene.adopt(
    scene.hfxbus.ConnectionManager.cluster([{ host: '127.0.0.1', port: 1 }], { ...options, clusterRetryStrategy }),
  );
  const producer = scene.producer(connection);
  const sent = producer.send({ stream: scene.stream, job: producer.job() });
  await assert.rejects(sent, (error) => {
    assert.match(error.message, /slots/);
    assert.deepStrictEqual([error.code, error.command, error.node], ['ECONNREFUSED', 'XADD', '127.0.0.1:1']);
    return true;
  });
  assert.deepStrictEqual(times, [1, 2, 3, 4]);
});

ours('pending entries of a dead consumer on several nodes are claimed as fast as jobs end', async (_, scene) => {
  const cluster = await scene.cluster();
  const streams = await spread(scene, cluster, 4);
  for (const stream of streams) {
    const home = await cluster.home(keys.stream(stream));
    await strand(scene, jobs(30, stream), { stream, idle: 60_000, call: (words) => home.call(...words) });
  }
  const ran = [];
  const consumer = scene.consumer({ claimInterval: 1000 }, scene.connectCluster(cluster));
  for (const stream of streams) consumer.process({ stream, processor: async ({ id }) => ran.push(id) });
  await consumer.play();
  const left = () => Promise.all(streams.map((stream) => pending(cluster, stream, scene.group)));
  await until(async () => (await left()).every((count) => count === 0), { timeout: 12_000 });
  assert.deepStrictEqual([ran.length, new Set(ran).size], [120, 120]);
});

ours('dead consumers leave the groups on every node', async (_, scene) => {
  const cluster = await scene.cluster();
  const streams = await spread(scene, cluster, 4);
  const namesOf = async (stream) => {
    const home = await cluster.home(keys.stream(stream));
    const consumers = await home.call('XINFO', 'CONSUMERS', keys.stream(stream), keys.group(scene.group));
    return consumers.map(([, name]) => name);
  };
  for (const stream of streams) {
    const home = await cluster.home(keys.stream(stream));
    const [id] = await strand(scene, ['job'], { stream, call: (words) => home.call(...words) });
    await home.call('XACK', keys.stream(stream), keys.group(scene.group), id);
  }
  const options = { claimInterval: 40, removeIdleConsumers: 300 };
  const consumer = scene.consumer(options, scene.connectCluster(cluster));
  const errors = scene.errors(consumer);
  for (const stream of streams) consumer.process({ stream, processor: async () => {} });
  await consumer.play();
  await until(async () => (await Promise.all(streams.map(namesOf))).flat().every((name) => name !== 'gone'));
  assert.deepStrictEqual(errors, []);
});

ours('finished() names the node of the stream when a job is not finished in time', async (_, scene) => {
  const cluster = await scene.cluster();
  const connection = scene.connectCluster(cluster);
  const producer = scene.producer(connection);
  for (const stream of await spread(scene, cluster, 3)) {
    const job = await producer.send({ stream, job: producer.job(), waitFor: ['none'] });
    const home = await cluster.home(keys.stream(stream));
    const node = `127.0.0.1:${home.port}`;
    await assert.rejects(job.finished(30), ({ code, diagnosis, message }) => {
      assert.deepStrictEqual([code, diagnosis?.node, diagnosis?.groups[0].state], ['FINISH_TIMEOUT', node, 'absent']);
      return message.includes(`; group none does not exist on ${stream} at ${node}: `);
    });
  }
});
