'use strict';

const assert = require('node:assert');
const { fix, ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { stays, until } = require('../support/until.js');

/* What a consumer has begun and something else overtakes: a pause, a stop, an abort, a lost connection. */

/** A consumer of a server of its own that does not answer for the time being. */
async function frozen(scene, processor) {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const consumer = scene.consumer({}, connection);
  consumer.process({ stream: scene.stream, fromId: '0', processor });
  // From here on there is a connection.
  await scene.producer(connection).job().set('a', 1).push();
  redis.freeze();
  return { redis, connection, consumer };
}

fix('a consumer whose bus is stopped while it begins to play does not play', async (_, scene) => {
  const seen = [];
  const { redis, connection, consumer } = await frozen(scene, async (job) => seen.push(job.id));
  const refused = assert.rejects(consumer.play(), { code: 'CONNECTION_CLOSED' });
  const stopped = connection.stop();
  // Whoever is asked later answers later.
  await consumer.pause();
  redis.thaw();
  await Promise.all([refused, stopped]);
  await scene.add('job-1', { redis });
  await stays(() => seen.length === 0, 150);
  await consumer.play();
  await until(() => seen.length === 1);
});

ours('a signal that is aborted while a consumer begins to play keeps it from playing', async (_, scene) => {
  const seen = [];
  const { redis, consumer } = await frozen(scene, async (job) => seen.push(job.id));
  const ending = new AbortController();
  const refused = assert.rejects(consumer.play({ signal: ending.signal }), { message: 'enough' });
  ending.abort(new Error('enough'));
  await Promise.all([refused, consumer.pause()]);
  redis.thaw();
  await scene.add('job-1', { redis });
  await stays(() => seen.length === 0, 150);
  await consumer.play();
  await until(() => seen.length === 1);
});

fix('a consumer that is paused while it begins to play, and then played, plays', async (_, scene) => {
  const seen = [];
  const consumer = scene.consumer({});
  consumer.process({ stream: scene.stream, processor: async (job) => seen.push(job.id) });
  const calls = [consumer.play(), consumer.pause(), consumer.play()];
  await Promise.all(calls);
  await scene.add('job-1');
  await until(() => seen.length === 1);
});

fix('who awaits that a job is acknowledged hears of it when the bus is stopped', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  let settled;
  const resolving = new Promise((resolve) => {
    settled = resolve;
  });
  const consumer = scene.consumer({}, connection);
  consumer.process({
    stream: scene.stream,
    processor: async (job) => {
      redis.freeze();
      settled({ outcome: job.resolve() });
    },
  });
  await consumer.play();
  await scene.add('job-1', { redis });
  const { outcome } = await resolving;
  await connection.stop({ force: true });
  redis.thaw();
  await assert.rejects(outcome, { code: 'CONNECTION_CLOSED' });
});

fix('a search for what to claim that waits for a slot opens no connection after a stop', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  let runs = 0;
  const consumer = scene.consumer({ claimInterval: 100, claimDeadline: 60000 }, connection);
  for (const stream of [scene.stream, scene.name('stream')]) {
    consumer.process({ stream, deadline: 0, processor: () => new Promise(() => runs++) });
  }
  await consumer.play();
  await scene.add('job-1', { redis });
  await until(() => runs === 1);
  const monitor = await scene.monitor(redis);
  await until(async () => (await monitor.about(scene.stream)).some(([name]) => name === 'XPENDING'));
  // It is at the second stream now.
  await connection.stop({ force: true });
  await monitor.clear();
  await stays(async () => (await monitor.commands()).length === 0, 350);
});

ours('a lease that could not be renewed in time is not taken back from who has it by then', async (_, scene) => {
  const redis = await scene.server();
  const proxy = await TcpProxy.to(redis.port);
  scene.closing(() => proxy.close());
  const connection = scene.connect(proxy.options);
  const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  let runs = 0;
  const consumer = scene.consumer({ claimDeadline: 300 }, connection);
  consumer.process({ stream: scene.stream, deadline: 0, processor: () => new Promise(() => runs++) });
  await consumer.play();
  const id = await scene.add('job-1', { redis });
  await until(() => runs === 1);
  proxy.refuse();
  proxy.reset();
  const claim = ['XCLAIM', key, group, 'other', 300, id, 'JUSTID'];
  await until(async () => (await redis.call(...claim)).length === 1);
  proxy.refuse(false);
  const producer = scene.producer(connection);
  // On the connection that leases are renewed on, behind whatever waited for it.
  await producer.send({ stream: scene.name('stream'), job: producer.job() });
  const [[, owner]] = await redis.call('XPENDING', key, group, '-', '+', 1);
  assert.strictEqual(owner, 'other');
});
