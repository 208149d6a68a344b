'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { until } = require('../support/wait-until.js');
const { TcpProxy } = require('../support/tcp-proxy.js');

const SOCKET_TIMEOUT = 500;
const BLOCK_TIMEOUT = 300;
/** For a machine that does other things too. */
const LATE = 4000;

async function behindProxy(scene, options) {
  const proxy = await TcpProxy.to(scene.redis.port);
  scene.closing(() => proxy.close());
  return { proxy, connection: scene.connect({ ...proxy.options, socketTimeout: SOCKET_TIMEOUT, ...options }) };
}

ours(
  'a network that becomes silent is noticed by reads, sends and subscriptions, and nothing is lost',
  async (_, scene) => {
    const { proxy, connection } = await behindProxy(scene);
    const seen = [];
    const consumer = await scene.play(async (job) => seen.push(job.id), {
      connection,
      blockTimeout: BLOCK_TIMEOUT,
      concurrency: 5,
    });
    const errors = scene.errors(consumer);
    const producer = scene.producer(connection);
    const send = async (id) => producer.send({ stream: scene.stream, job: producer.job(id), waitFor: [scene.group] });
    await (await send('before')).finished(LATE);

    await until(async () => (await scene.redis.call('INFO', 'clients')).includes('blocked_clients:1'));
    proxy.blackHolePresent();
    const started = Date.now();
    // One entry goes into the blocked read, and its reply is lost.
    await scene.add('taken');
    const sent = await send('sent');
    const told = await sent.finished(LATE);
    const elapsed = Date.now() - started;
    await until(() => seen.includes('taken'), { timeout: LATE });

    assert.ok(told[scene.group] instanceof Date);
    assert.ok(elapsed < 2 * SOCKET_TIMEOUT + BLOCK_TIMEOUT + LATE, `${elapsed} ms`);
    assert.deepStrictEqual(new Set(seen), new Set(['before', 'taken', 'sent']));
    await until(async () => (await scene.pending()) === 0);
    assert.ok(errors.length <= 1, `${errors.length} errors`);
  },
);

ours('without socketTimeout only reads end a dead connection', async (_, scene) => {
  const { proxy, connection } = await behindProxy(scene, { socketTimeout: 0, commandTimeout: 1500 });
  const producer = scene.producer(connection);
  await producer.send({ stream: scene.stream, job: producer.job() });
  proxy.blackHolePresent();
  const lost = producer.send({ stream: scene.stream, job: producer.job() });
  await assert.rejects(lost, { code: 'COMMAND_TIMEOUT' });
  assert.strictEqual(proxy.accepted, 1);
});

ours('a client of the user can wait for a reply without limit', async (_, scene) => {
  const { proxy, connection } = await behindProxy(scene);
  const client = connection.getClient('mine');
  assert.strictEqual(await client.call('BLPOP', scene.name('list'), '1.6'), null);
  assert.strictEqual(proxy.accepted, 1);
});

ours('socketTimeout must be a time', (_, scene) => {
  const { ConnectionManager } = scene.hfxbus;
  assert.throws(() => ConnectionManager.standalone({ socketTimeout: 'soon' }), {
    name: 'TypeError',
    message: /socketTimeout/,
  });
  assert.throws(() => ConnectionManager.standalone({ socketTimeout: -1 }), {
    name: 'RangeError',
    message: /socketTimeout/,
  });
});

ours('replies that arrive byte by byte, late, throttled or cut anywhere lose nothing', async (_, scene) => {
  const { proxy, connection } = await behindProxy(scene, { retryStrategy: () => 5, socketTimeout: 5000 });
  const seen = new Set();
  await scene.play(async (job) => seen.add(job.id), { connection, blockTimeout: BLOCK_TIMEOUT, concurrency: 5 });
  const producer = scene.producer(connection);
  const work = async (name) => {
    const ids = Array.from({ length: 10 }, (_, number) => `${name}-${number}`);
    await Promise.all(ids.map((id) => producer.send({ stream: scene.stream, job: producer.job(id) })));
    await until(() => ids.every((id) => seen.has(id)), { what: name });
  };
  proxy.inPieces(1);
  await work('byte by byte');
  proxy.inPieces(0);
  proxy.delay(1, 40);
  await work('held back');
  proxy.delay(0);
  proxy.throttle(64 * 1024);
  await work('throttled');
  proxy.throttle(0);
  for (const bytes of [10, 3000, 4000]) {
    const before = proxy.accepted;
    proxy.cutAfter(bytes);
    proxy.cut();
    // Of three connections, so that some were made and cut again.
    await until(() => proxy.accepted > before + 5);
    proxy.cutAfter(0);
    await work(`cut after ${bytes}`);
  }
  proxy.reset();
  await work('reset');
  proxy.halfClose();
  await work('half-closed');
});
