'use strict';

/* Retention on a server without memory, and on many streams. */

const assert = require('node:assert');
const { isSince, ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { Gate } = require('../support/latch.js');
const { until } = require('../support/wait-until.js');

const RETAIN = { retain: 'acknowledged', retainFor: 100 };
const mark = (stream) => `hfxbus:ret:${stream}`;
const lease = (stream) => `hfxbus:rtl:${stream}`;

for (const isLeased of [true, false]) {
  const owner = isLeased ? 'with its lease' : 'without a lease';
  ours(`acknowledged entries go ${owner} while Redis has no memory`, async (_, scene) => {
    const redis = await scene.server();
    const { stream } = scene;
    const memory = (limit) => redis.call('CONFIG', 'SET', 'maxmemory', limit);
    const connection = scene.connect({ ...redis.options, ...RETAIN });
    const gate = new Gate();
    const consumer = await scene.play(() => gate.opened, { connection, concurrency: 10 });
    const errors = scene.errors(consumer);
    const producer = scene.producer(connection);
    const send = () => producer.send({ stream, job: producer.job() });
    await Promise.all(Array.from({ length: 10 }, send));
    await until(() => redis.call('GET', lease(stream)));
    await redis.call('SET', mark(stream), '0-0 0-1 0');
    await memory(1);
    if (!isLeased) await redis.call('DEL', lease(stream));
    await assert.rejects(send(), { code: 'OOM' });
    gate.open();
    await until(async () => (await scene.length(stream, redis)) === 0);
    assert.deepStrictEqual(errors, []);
    // Redis 6 does not count removals, so that retention has no mark there.
    if (isSince(7))
      assert.strictEqual(await redis.call('GET', mark(stream)), null, 'the mark does not know of the removal');
    await memory(0);
    await send();
    await until(async () => (await scene.length(stream, redis)) === 0);
    assert.strictEqual(await redis.call('GET', lease(stream)), consumer.id);
    assert.strictEqual(await redis.call('XLEN', keys.stream(stream)), 0);
  });
}

ours('the streams of a consumer are visited several at a time', async (_, scene) => {
  const monitor = await scene.monitor();
  const streams = Array.from({ length: 40 }, (_unused, at) => scene.name(`many-${at}`));
  const connection = scene.connect(RETAIN);
  const producer = scene.producer(connection);
  const consumer = scene.consumer({ concurrency: 5 }, connection);
  for (const stream of streams) consumer.process({ stream, processor: async () => {} });
  await consumer.play();
  await producer.sendAll(streams.map((stream) => ({ stream, job: producer.job() })));
  await until(async () => {
    const lengths = await Promise.all(streams.map((stream) => scene.length(stream)));
    return lengths.every((length) => length === 0);
  });
  // A lease is the first command of a visit, and XINFO GROUPS comes a round trip later.
  let [together, most] = [0, 0];
  for (const [name, what] of await monitor.commands()) {
    if (name === 'SET' && what.startsWith(lease(''))) most = Math.max(most, ++together);
    if (name === 'XINFO' && what === 'GROUPS') together = 0;
  }
  assert.ok(most >= 8, `${most} visits at a time`);
});
