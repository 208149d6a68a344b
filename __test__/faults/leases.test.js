'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { stays, until } = require('../support/wait-until.js');

/* The lease of a running job while connections are lost, late or silent. */

/** For how long leases are good here, in ms. */
const DEADLINE = 1000;

/** Connects again soon, however long that fails. */
const PATIENT = { retryStrategy: () => 20, maxRetriesPerRequest: null };

/** A proxy that stands before a server, and a connection by way of it. */
async function reach(scene, redis, options) {
  const proxy = await TcpProxy.to(redis.port);
  scene.closing(() => proxy.close());
  return { proxy, connection: scene.connect({ ...proxy.options, ...PATIENT, ...options }) };
}

/** Starts a consumer of one or several streams with jobs that run until the gate opens. */
async function running(scene, connection, { streams = [scene.stream], redis, ...options }) {
  const on = { runs: 0, ended: 0, ending: new Gate() };
  on.consumer = scene.consumer({ claimDeadline: DEADLINE, concurrency: streams.length, ...options }, connection);
  on.errors = scene.errors(on.consumer);
  for (const stream of streams) {
    const processor = async (job) => {
      on.runs++;
      const error = await on.ending.opened;
      await (error ? job.reject(error) : job.resolve());
      on.ended++;
    };
    on.consumer.process({ stream, deadline: 0, processor });
  }
  await on.consumer.play();
  for (const stream of streams) on.id = await scene.add('job-1', { stream, redis });
  await until(() => on.runs === streams.length);
  return on;
}

/** Returns the owner and the idle time of the pending entry of a stream. */
async function pending({ stream, group }, redis) {
  const [entry] = await redis.call('XPENDING', keys.stream(stream), keys.group(group), '-', '+', 1);
  return entry && { owner: entry[1], idle: entry[2] };
}

/** Waits until a lost connection is there again, and whatever waited for it is done. */
async function isBack(scene, connection) {
  const producer = scene.producer(connection);
  await producer.send({ stream: scene.name('stream'), job: producer.job() });
}

/** Cuts networks off for longer than leases are good. */
async function cutOff(proxies, redis, scene) {
  for (const proxy of proxies) {
    proxy.refuse();
    proxy.reset();
  }
  await until(async () => (await pending(scene, redis)).idle > DEADLINE);
  for (const proxy of proxies) proxy.refuse(false);
}

/** Starts a consumer whose job another consumer claimed during a loss of the connection, which is over. */
async function overtaken(scene, options = {}) {
  const redis = await scene.server();
  const { proxy, connection } = await reach(scene, redis);
  const on = await running(scene, connection, { redis, ...options });
  proxy.refuse();
  proxy.reset();
  const claim = ['XCLAIM', keys.stream(scene.stream), keys.group(scene.group), 'other', DEADLINE, on.id, 'JUSTID'];
  await until(async () => (await redis.call(...claim)).length === 1);
  proxy.refuse(false);
  await isBack(scene, connection);
  const owner = async () => (await pending(scene, redis)).owner;
  return Object.assign(on, { redis, connection, owner });
}

ours('a consumer that was cut off lets others renew their leases before it claims', async (_, scene) => {
  const redis = await scene.server();
  const [slow, quick] = [await reach(scene, redis, { retryStrategy: () => 250 }), await reach(scene, redis)];
  const on = await running(scene, slow.connection, { redis });
  const claimed = [];
  const options = { connection: quick.connection, claimInterval: 10, claimDeadline: DEADLINE };
  await scene.play(async (job) => claimed.push(job.id), options);
  await cutOff([slow.proxy, quick.proxy], redis, scene);
  await Promise.all([slow, quick].map(({ connection }) => isBack(scene, connection)));
  await stays(() => claimed.length === 0, DEADLINE * 1.5);
  on.ending.open();
  await until(async () => (await scene.pending({ redis })) === 0);
  assert.deepStrictEqual([on.runs, on.errors.filter(({ code }) => code === 'REJECT_JOB_ERROR')], [1, []]);
});

ours('a lapsed lease is renewed if no other consumer claimed the job', async (_, scene) => {
  const redis = await scene.server();
  const { proxy, connection } = await reach(scene, redis);
  await running(scene, connection, { redis });
  await cutOff([proxy], redis, scene);
  await isBack(scene, connection);
  await until(async () => (await pending(scene, redis)).idle < DEADLINE / 2);
});

ours('a lapsed lease is not taken back from a consumer that claimed the job', async (_, scene) => {
  const { owner } = await overtaken(scene);
  await stays(async () => (await owner()) === 'other', DEADLINE / 2);
});

ours('a job that another consumer claimed is not released by stop()', async (_, scene) => {
  const { connection, redis } = await overtaken(scene);
  await connection.stop({ maxWait: 1 });
  const { owner, idle } = await pending(scene, redis);
  assert.deepStrictEqual([owner, idle < 60000], ['other', true]);
});

ours('a job that another consumer claimed is not delayed', async (_, scene) => {
  const on = await overtaken(scene, { backoff: { type: 'fixed', delay: 10 } });
  on.ending.open(new Error('no'));
  await until(() => on.ended === 1);
  assert.strictEqual(await on.owner(), 'other');
});

ours('a job that another consumer claimed is not dead-lettered', async (_, scene) => {
  const deadLetter = scene.name('dead');
  const on = await overtaken(scene, { deadLetter, retryLimit: 1 });
  on.ending.open(new Error('no'));
  await on.consumer.pause();
  assert.deepStrictEqual([await on.owner(), await scene.length(deadLetter, on.redis)], ['other', 0]);
});

ours('a job that another consumer claimed is acknowledged if it succeeded', async (_, scene) => {
  const on = await overtaken(scene);
  on.ending.open();
  await on.consumer.pause();
  assert.strictEqual(await scene.pending({ redis: on.redis }), 0);
});

ours('a lease renewal in flight does not change the due time of a rejected job', async (_, scene) => {
  const redis = await scene.server();
  const { proxy, connection } = await reach(scene, redis);
  const streams = [scene.name('stream'), scene.stream];
  const on = await running(scene, connection, { redis, streams, backoff: { type: 'fixed', delay: 1 } });
  const sent = proxy.record();
  proxy.delay(100);
  await until(() => sent.some((chunk) => chunk.includes('JUSTID')));
  on.ending.open(new Error('no'));
  await until(async () => (await pending(scene, redis)).idle >= DEADLINE - 1);
  await stays(async () => (await pending(scene, redis)).idle >= DEADLINE - 1, 500);
});

ours('a silent node does not stop lease renewals on other nodes', async (_, scene) => {
  const servers = await Promise.all([scene.server(), scene.server()]);
  const streams = [0, 1].map((node) => scene.nameOn(node, 'stream', 2));
  const connection = scene.partition(servers);
  const consumer = scene.consumer(
    { claimDeadline: DEADLINE, concurrency: 2, route: scene.hfxbus.DISTRIBUTED_ROUTING },
    connection,
  );
  let runs = 0;
  for (const stream of streams) consumer.process({ stream, deadline: 0, processor: () => new Promise(() => runs++) });
  await consumer.play();
  for (const [node, stream] of streams.entries()) await scene.add('job-1', { stream, redis: servers[node] });
  await until(() => runs === 2);
  const [silent, other] = servers;
  silent.freeze();
  const idle = async () => (await pending({ ...scene, stream: streams[1] }, other)).idle;
  await stays(async () => (await idle()) < DEADLINE, DEADLINE * 2);
  silent.thaw();
});
