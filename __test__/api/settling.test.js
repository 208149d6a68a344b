'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');

/** Returns the connections on which a consumer with one slot reads, and settles its jobs. */
async function connectionsOf(scene, options) {
  const connection = scene.connect(options);
  const producer = scene.producer();
  const consumer = await scene.play(async () => {}, { connection, concurrency: 1 });
  const errors = scene.errors(consumer);
  // The first read waits already; from the second job on a read is due when one ends.
  await run(scene, producer);
  const monitor = await scene.monitor();
  await run(scene, producer);
  await run(scene, producer);
  await until(async () => (await monitor.named('XREADGROUP')).length === 2);
  assert.deepStrictEqual(errors, []);
  const all = await monitor.byConnection();
  return all.filter((names) => names.some((name) => ['XACK', 'XREADGROUP'].includes(name)));
}

async function run(scene, producer) {
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  await job.finished();
}

ours('the settlement of a job is sent before the next read, on the same connection', async (_, scene) => {
  const tells = ['XACK', 'PUBLISH', 'XREADGROUP'];
  assert.deepStrictEqual(await connectionsOf(scene), [[...tells, ...tells]]);
});

ours('commands with a deadline are not sent on the connection of blocking reads', async (_, scene) => {
  assert.deepStrictEqual(await connectionsOf(scene, { commandTimeout: 5000 }), [
    ['XACK', 'PUBLISH', 'XACK', 'PUBLISH'],
    ['XREADGROUP', 'XREADGROUP'],
  ]);
});

ours('a settlement sent before a read is sent again if the connection breaks', async (_, scene) => {
  const proxy = await TcpProxy.to(scene.redis.port);
  scene.closing(() => proxy.close());
  let runs = 0;
  const processor = async () => {
    runs++;
    // The settlement of the second job does not arrive.
    if (runs === 2) proxy.blackHolePresent();
  };
  const connection = scene.connect(proxy.options);
  const consumer = await scene.play(processor, { connection, concurrency: 1 });
  const drained = new Promise((resolve) => consumer.on('drained', resolve));
  const producer = scene.producer();
  await run(scene, producer);
  const second = run(scene, producer);
  await until(() => runs === 2);
  assert.strictEqual(await scene.pending(), 1);
  proxy.cut();
  await Promise.all([second, drained]);
  await until(async () => (await scene.pending()) === 0);
  assert.strictEqual(runs, 2);
  await connection.stop();
  // Node may wait for ever for sockets that are being closed when the process ends.
  await until(() => proxy.open === 0);
});
