'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { nodeOf } = require('../support/routes.js');
const { until } = require('../support/wait-until.js');

const EVERY = [0, 1, 2];

/** On which nodes a stream has how many entries. */
function lengths(nodes, stream, node = (name) => keys.stream(name)) {
  return Promise.all(nodes.map((server) => server.call('XLEN', node(stream))));
}

/** Collects the completions that each node publishes for a stream from now on. */
function hearAll(scene, nodes, stream) {
  return Promise.all(nodes.map((node) => scene.hear(keys.channel(stream, '*'), node)));
}

/** A job that was sent, waited for and completed by a group; 2.2.0 sends only when `finished()` is called. */
async function complete(producer, { id, ...options }) {
  const job = producer.job(id);
  await producer.send({ job, ...options });
  const completions = await job.finished(8000);
  assert.deepStrictEqual(
    options.waitFor.filter((group) => !(completions[group] instanceof Date)),
    [],
  );
  return job;
}

keep('B-120 an entry goes to the node of its route, by default the route of its stream', async (_, scene) => {
  const nodes = await scene.nodes();
  const producer = scene.producer(scene.partition(nodes));
  const symbol = Symbol('somewhere');
  for (const node of EVERY) {
    const stream = scene.nameOn(node, 'stream');
    const added = [0, 0, 0];
    for (const route of [undefined, null, '', ...EVERY.map((at) => scene.nameOn(at, 'route')), symbol]) {
      added[nodeOf(String(route || stream))]++;
      await producer.send({ stream, job: producer.job(), ...(route === undefined ? {} : { route }) });
      assert.deepStrictEqual(await lengths(nodes, stream), added, String(route));
    }
  }
});

keep('B-120 with DISTRIBUTED_ROUTING an entry goes to the node of its job', async (_, scene) => {
  const nodes = await scene.nodes();
  const producer = scene.producer(scene.partition(nodes));
  const added = [0, 0, 0];
  for (let at = 0; at < 12; at++) {
    const job = producer.job();
    added[nodeOf(job.id)]++;
    await producer.send({ stream: scene.stream, job, route: scene.hfxbus.DISTRIBUTED_ROUTING });
  }
  assert.deepStrictEqual(await lengths(nodes, scene.stream), added);
});

keep('B-120 B-121 a consumer reads from the node of its route, by default of its group', async (_, scene) => {
  const nodes = await scene.nodes();
  const connection = scene.partition(nodes);
  for (const node of EVERY) {
    for (const options of [{ group: scene.nameOn(node, 'group') }, { route: scene.nameOn(node, 'route') }]) {
      const stream = scene.name('stream');
      const seen = [];
      await scene.play(async (job) => seen.push(job.id), { connection, stream, blockTimeout: 50, ...options });
      const made = await Promise.all(nodes.map((server) => server.call('EXISTS', keys.stream(stream))));
      assert.deepStrictEqual(
        made,
        EVERY.map((at) => Number(at === node)),
      );
      await scene.add('job-1', { stream, redis: nodes[node] });
      await until(() => seen.length === 1);
    }
  }
});

keep('B-120 a completion is published on the node of its stream, for an entry on any node', async (_, scene) => {
  const nodes = await scene.nodes();
  const connection = scene.partition(nodes);
  const producer = scene.producer(connection);
  await producer.listen();
  for (const [ofStream, ofEntry] of EVERY.flatMap((one) => EVERY.map((other) => [one, other]))) {
    const [stream, route, group] = [scene.nameOn(ofStream, 'stream'), scene.nameOn(ofEntry, 'route'), scene.name('g')];
    const heard = await hearAll(scene, nodes, stream);
    await scene.play(async () => {}, { connection, stream, route, group, blockTimeout: 50 });
    await complete(producer, { stream, route, waitFor: [group] });
    await until(() => heard[ofStream].length > 0);
    assert.deepStrictEqual(
      heard.map(({ length }) => length),
      EVERY.map((node) => Number(node === ofStream)),
    );
    assert.strictEqual(await scene.pending({ stream, group, redis: nodes[ofEntry] }), 0);
  }
});

keep('B-120 failures are published on the stream’s node, and stay pending on the entry’s node', async (_, scene) => {
  const nodes = await scene.nodes();
  const connection = scene.partition(nodes);
  const [stream, route] = [scene.nameOn(0, 'stream'), scene.nameOn(1, 'route')];
  const heard = await hearAll(scene, nodes, stream);
  const run = async () => {
    throw new Error('no');
  };
  await scene.play(run, { connection, stream, route, blockTimeout: 50 });
  await scene.add('job-1', { stream, redis: nodes[1] });
  await until(() => heard[0].length === 1);
  assert.strictEqual(JSON.parse(heard[0][0].message).err.message, 'no');
  assert.strictEqual(await scene.pending({ stream, redis: nodes[1] }), 1);
});

keep('B-120 listen() to a stream uses the stream’s node, and a pattern uses every node', async (_, scene) => {
  const nodes = await scene.nodes();
  const connection = scene.partition(nodes);
  const [producer, wild] = [scene.producer(connection), scene.producer(scene.partition(nodes))];
  const kind = scene.name('kind');
  const streams = EVERY.map((node) => scene.nameOn(node, kind));
  const heard = [];
  const all = [];
  for (const stream of streams) {
    producer.on(stream, (_error, job) => heard.push(job));
    wild.on(stream, (_error, job) => all.push(job));
  }
  await producer.listen(...streams);
  await wild.listen(`${kind}*`);
  for (const node of EVERY) {
    await scene.complete(`job-${node}`, 'somebody', { stream: streams[node], redis: nodes[node] });
    await until(() => heard.length > node && all.length > node);
  }
  assert.deepStrictEqual([heard, all], [EVERY.map((node) => `job-${node}`), EVERY.map((node) => `job-${node}`)]);
  // Each of these is where no completion of it is published.
  for (const node of EVERY) {
    const heardBy = await scene.complete('job', 'somebody', { stream: streams[node], redis: nodes[(node + 1) % 3] });
    assert.strictEqual(heardBy, 1);
  }
});

keep('B-120 two groups on different nodes complete a job that is sent to each', async (_, scene) => {
  const connection = scene.partition(await scene.nodes());
  const producer = scene.producer(connection);
  await producer.listen();
  const { stream } = scene;
  const groups = [0, 1].map((node) => scene.nameOn(node, 'group'));
  for (const group of groups) {
    await scene.play(async () => {}, { connection, stream, group, blockTimeout: 50 });
  }
  const events = [];
  producer.on(stream, (_error, job, group) => events.push([job, group]));
  for (const group of groups) await complete(producer, { id: `for-${group}`, stream, route: group, waitFor: [group] });
  assert.deepStrictEqual(
    events,
    groups.map((group) => [`for-${group}`, group]),
  );
});

keep('a job carries its payload from node to node and back', async (_, scene) => {
  const connection = scene.partition(await scene.nodes());
  const producer = scene.producer(connection);
  await producer.listen();
  const { stream, group } = scene;
  const run = async (job) => {
    const { inbound } = await job.get('inbound', false).del('inbound').pull();
    await job.set('outbound', Buffer.from(`${inbound}world!`)).push();
  };
  await scene.play(run, { connection, route: stream, blockTimeout: 50 });
  for (const node of EVERY) {
    const id = scene.nameOn(node, 'job');
    await producer.job(id).set('inbound', 'Hello ').push();
    const job = await complete(producer, { id, stream, waitFor: [group] });
    const { outbound, inbound } = await job.get('outbound').del('outbound').get('inbound').pull();
    assert.deepStrictEqual([String(outbound), inbound], ['Hello world!', null]);
  }
});

/** Key prefix of each node. */
const OWN = EVERY.map((node) => ({ keyPrefix: `own-${node}:` }));

for (const enablePipelining of [true, false]) {
  keep(`B-101 a node's keyPrefix is in front of keys and streams: pipelining ${enablePipelining}`, async (_, scene) => {
    const nodes = await scene.nodes();
    const keyPrefix = scene.name('bus');
    const connection = scene.partition(nodes, { each: OWN, keyPrefix, enablePipelining });
    assert.strictEqual(connection.getKeyPrefix(), keyPrefix);
    const producer = scene.producer(connection);
    for (const node of EVERY) {
      const [stream, id] = ['stream', 'job'].map((kind) => scene.nameOn(node, kind));
      await producer.job(id).set('a', 1).set('b', 2).push();
      await producer.send({ stream, job: producer.job(id) });
      const [a, b] = ['a', 'b'].map((key) => `own-${node}:${keys.payload(id, key, keyPrefix)}`);
      assert.deepStrictEqual(await nodes[node].call('MGET', a, b), ['1', '2']);
      assert.strictEqual(await nodes[node].call('XLEN', `own-${node}:${keys.stream(stream, keyPrefix)}`), 1);
      const pulled = await producer.job(id).get('a', false).get('b', false).del('a').del('b').pull();
      assert.deepStrictEqual(pulled, { a: 1, b: 2 });
      assert.strictEqual(await nodes[node].call('EXISTS', a, b), 0);
    }
  });
}

// 2.2.0 does not recognise the streams that it reads there, so it runs nothing.
fix('B-101 jobs of nodes with a keyPrefix run; groups and channels do not have the prefix', async (_, scene) => {
  const nodes = await scene.nodes();
  const connection = scene.partition(nodes, { each: OWN });
  const producer = scene.producer(connection);
  for (const node of EVERY) {
    const [stream, group] = ['stream', 'group'].map((kind) => scene.nameOn(node, kind));
    const heard = await scene.hear(keys.channel(stream, '*'), nodes[node]);
    await scene.play(async () => {}, { connection, stream, group });
    await complete(producer, { stream, route: group, waitFor: [group] });
    const pending = await nodes[node].call('XPENDING', `own-${node}:${keys.stream(stream)}`, keys.group(group));
    assert.deepStrictEqual(pending, [0, null, null, null]);
    await until(() => heard.length === 1);
  }
});

keep('one node works as a bus of several nodes too, for any routes', async (_, scene) => {
  const nodes = (await scene.nodes()).slice(0, 1);
  const connection = scene.partition(nodes, { each: [{ sequence: 7, staticRoutes: ['elsewhere', 5] }] });
  const producer = scene.producer(connection);
  await producer.listen();
  const { DISTRIBUTED_ROUTING } = scene.hfxbus;
  for (const route of [undefined, 'route', DISTRIBUTED_ROUTING]) {
    const [stream, group] = [scene.name('stream'), scene.name('group')];
    const routed = route === undefined ? {} : { route };
    await scene.play(async () => {}, { connection, stream, group, blockTimeout: 50, ...routed });
    await complete(producer, { stream, waitFor: [group], ...routed });
  }
});

keep('a bus on one Redis and one of several nodes on the same Redis work together', async (_, scene) => {
  const [node] = await scene.nodes();
  const several = scene.partition([node]);
  const one = scene.connect(node.options);
  const { DISTRIBUTED_ROUTING: route } = scene.hfxbus;
  for (const [producing, consuming] of [
    [one, several],
    [several, one],
  ]) {
    const [stream, group] = [scene.name('stream'), scene.name('group')];
    const producer = scene.producer(producing);
    await producer.listen();
    await scene.play((job) => job.set('key', job.id).push(), {
      connection: consuming,
      stream,
      group,
      route,
      blockTimeout: 50,
    });
    const job = await complete(producer, { stream, route, waitFor: [group] });
    assert.deepStrictEqual(await job.get('key', false).pull(), { key: job.id });
  }
});

// 2.2.0 rejects a read of its own now and then, in a promise without a handler.
fix('stop closes the connections to every node', async (_, scene) => {
  const nodes = await scene.ownNodes();
  const connection = scene.partition(nodes);
  const producer = scene.producer(connection);
  const { DISTRIBUTED_ROUTING: route } = scene.hfxbus;
  await producer.listen('*');
  const consumer = await scene.play(async () => {}, { connection, route, blockTimeout: 50 });
  for (const node of EVERY)
    await producer.send({ stream: scene.stream, job: producer.job(scene.nameOn(node, 'j')), route });
  await until(async () => (await lengths(nodes, scene.stream)).every((length) => length === 1));
  await consumer.pause();
  await connection.stop();
  await until(async () => {
    const lists = await Promise.all(nodes.map((node) => node.call('CLIENT', 'LIST')));
    return lists.every((list) => list.trim().split('\n').length === 1);
  });
});

fix('finished() needs no listen(), for a stream on any node', async (_, scene) => {
  const connection = scene.partition(await scene.nodes());
  const producer = scene.producer(connection);
  for (const [ofStream, ofEntry] of EVERY.flatMap((one) => EVERY.map((other) => [one, other]))) {
    const [stream, route, group] = [scene.nameOn(ofStream, 'stream'), scene.nameOn(ofEntry, 'route'), scene.name('g')];
    await scene.play(async () => {}, { connection, stream, route, group });
    await complete(producer, { stream, route, waitFor: [group] });
  }
});
