'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { stays, until } = require('../support/wait-until.js');

const EVERY = [0, 1, 2];

/** A consumer of all nodes that plays. */
function playAll(scene, processor, options) {
  return scene.play(processor, { route: scene.hfxbus.DISTRIBUTED_ROUTING, blockTimeout: 60000, ...options });
}

/** Returns the number of pending entries on all nodes together. */
async function pendingOn(scene, nodes) {
  const each = await Promise.all(nodes.map((redis) => scene.pending({ redis })));
  return each.reduce((sum, one) => sum + one);
}

/** Adds entries, the same number to each node. */
async function addTo(scene, nodes, count) {
  const jobs = nodes.flatMap((redis, node) =>
    Array.from({ length: count }, (_, at) => ({ redis, job: `job-${node}-${at}` })),
  );
  await Promise.all(jobs.map(({ redis, job }) => scene.add(job, { redis })));
  return jobs.map(({ job }) => job).sort();
}

keep(
  'B-122 a distributed consumer runs the jobs of every node, and acknowledges each on its node',
  async (_, scene) => {
    const nodes = await scene.nodes();
    const connection = scene.partition(nodes);
    const producer = scene.producer(connection);
    const { DISTRIBUTED_ROUTING: route } = scene.hfxbus;
    const completed = [];
    producer.on(scene.stream, (error, job) => completed.push(error ?? job));
    await producer.listen();
    const ran = [];
    await playAll(scene, async (job) => ran.push(job.id), { connection, blockTimeout: 20, concurrency: 3 });
    const sent = [];
    for (let at = 0; at < 18; at++) {
      const job = producer.job(scene.nameOn(at % 3, 'job'));
      sent.push(job.id);
      await producer.send({ stream: scene.stream, job, route });
    }
    await until(() => completed.length >= sent.length);
    assert.deepStrictEqual([[...ran].sort(), completed.sort()], [sent.sort(), sent]);
    assert.strictEqual(await pendingOn(scene, nodes), 0);
  },
);

fix('B-122 a consumer with one slot waits on all nodes at once', async (_, scene) => {
  const nodes = await scene.nodes();
  const ran = [];
  await playAll(scene, async (job) => ran.push(job.id), { connection: scene.partition(nodes) });
  for (let at = 0; at < 30; at++) {
    const started = Date.now();
    await scene.add(`job-${at}`, { redis: nodes[at % 3] });
    await until(() => ran.length > at);
    assert.ok(Date.now() - started < 3000);
  }
});

for (const concurrency of [1, 2, 4, 7]) {
  fix(`B-053 concurrency ${concurrency} limits all nodes together`, async (_, scene) => {
    const nodes = await scene.nodes();
    const started = [];
    const gates = [];
    const run = (job) => {
      started.push(job.id);
      const gate = new Gate();
      gates.push(gate);
      return gate.opened;
    };
    const consumer = await playAll(scene, run, { connection: scene.partition(nodes), concurrency });
    const jobs = await addTo(scene, nodes, 8);
    for (let opened = 0; opened < jobs.length; opened++) {
      const most = Math.min(jobs.length, opened + concurrency);
      await until(() => started.length === most);
      if (opened % 6 === 0) await stays(() => started.length === most, 10);
      gates[opened].open();
    }
    await until(async () => (await pendingOn(scene, nodes)) === 0);
    assert.deepStrictEqual(started.sort(), jobs);
    await consumer.pause();
  });
}

fix('B-122 the node that has work gets every slot', async (_, scene) => {
  const nodes = await scene.nodes();
  const gate = new Gate();
  let [running, ran] = [0, 0];
  const run = async () => {
    running++;
    await gate.opened;
    running--;
    ran++;
  };
  await playAll(scene, run, { connection: scene.partition(nodes), concurrency: 9 });
  for (let at = 0; at < 20; at++) await scene.add(`job-${at}`, { redis: nodes[1] });
  await until(() => running === 9);
  await stays(() => running === 9, 20);
  gate.open();
  await until(() => ran === 20);
});

fix('B-123 the same entry ids on several nodes are different entries', async (_, scene) => {
  const nodes = await scene.nodes();
  const connection = scene.partition(nodes);
  const group = keys.group(scene.group);
  // Half of them are pending for this consumer already, so they come from its history.
  for (const [node, redis] of nodes.entries()) {
    for (const id of ['1-1', '2-1']) {
      await redis.call('XADD', keys.stream(scene.stream), id, 'prd', 'nobody', 'job', `job-${node}-${id}`);
    }
    await redis.call('XGROUP', 'CREATE', keys.stream(scene.stream), group, '0');
    await redis.call('XREADGROUP', 'GROUP', group, 'me', 'COUNT', '1', 'STREAMS', keys.stream(scene.stream), '>');
  }
  const ran = [];
  const gate = new Gate();
  const run = async (job) => {
    ran.push(job.id);
    await gate.opened;
  };
  await playAll(scene, run, { connection, id: 'me', readFrom: '0', concurrency: 6 });
  await until(() => ran.length === 6);
  assert.deepStrictEqual(
    ran.sort(),
    EVERY.flatMap((node) => [`job-${node}-1-1`, `job-${node}-2-1`]),
  );
  gate.open();
  await until(async () => (await pendingOn(scene, nodes)) === 0);
});

fix('B-076 a group that is lost on one node is created again there, and the others continue', async (_, scene) => {
  const nodes = await scene.ownNodes();
  const ran = [];
  // Before Redis 7 a blocked read does not notice the removal of its key.
  const options = { connection: scene.partition(nodes), blockTimeout: 1000 };
  const consumer = await playAll(scene, async (job) => ran.push(job.id), options);
  const errors = scene.errors(consumer);
  await nodes[2].call('FLUSHALL');
  await until(() => errors.length > 0);
  await scene.add('other', { redis: nodes[0] });
  await until(() => ran.length === 1);
  await until(() => nodes[2].call('EXISTS', keys.stream(scene.stream)));
  await scene.add('again', { redis: nodes[2] });
  await until(() => ran.length === 2);
  assert.ok(errors.length <= 3 && errors.every(({ code }) => code === 'CONSUME_ERROR'));
});
