'use strict';

const assert = require('node:assert');
const path = require('node:path');
const { describe, it } = require('node:test');
const { Worker } = require('node:worker_threads');
const { Child } = require('../support/child.js');
const { RawClient } = require('../support/raw-client.js');
const { until } = require('../support/until.js');
const { ConnectionManager, Consumer, Producer } = require('../../index.js');
const { EmbeddedRedis } = require('../../testing.js');
const { serving } = require('./serving.js');

const TESTING = path.resolve(__dirname, '..', '..', 'testing.js');

/** How long it all may take, in ms, on a machine that does other things too. */
const LIMIT = 60000;

describe('EmbeddedRedis', { timeout: LIMIT }, () => {
  it('is a Redis that a bus works on', async (t) => {
    const { redis } = await serving(t);
    const connection = ConnectionManager.standalone(redis.url);
    const consumer = new Consumer(connection, { group: 'g', concurrency: 10 });
    consumer.process({
      stream: 's',
      processor: async (job) => job.set('out', (await job.get('in', false).pull()).in + 1).push(),
    });
    await consumer.play();
    const producer = new Producer(connection);
    const numbers = await Promise.all(
      Array.from({ length: 200 }, async (_, number) => {
        const job = producer.job();
        await job.set('in', number).push();
        await producer.send({ stream: 's', job, waitFor: ['g'] });
        await job.finished(10_000);
        return (await job.get('out', false).del('out').del('in').pull()).out;
      }),
    );
    assert.deepStrictEqual(
      numbers,
      Array.from({ length: 200 }, (_, number) => number + 1),
    );
    await connection.stop();
  });

  it('says in INFO what it is', async (t) => {
    const { client } = await serving(t);
    const info = await client.call('INFO');
    assert.match(info, /^redis_version:7\.0\.15\r$/m);
    assert.match(info, /^hfxbus_embedded:3\./m);
    assert.match(info, /not for production/);
    assert.doesNotMatch(info, /cmdstat_/);
    assert.match(await client.call('INFO', 'commandstats'), /^cmdstat_info:calls=1,/m);
  });

  it('ends with its connections when it is stopped, twice is fine, and its port is free then', async () => {
    const first = await EmbeddedRedis.start();
    const { port } = first;
    const client = new RawClient(port);
    const waiting = client.call('XREAD', 'BLOCK', '0', 'STREAMS', 's', '$');
    await assert.rejects(EmbeddedRedis.start({ port }), { code: 'EADDRINUSE' });
    await Promise.all([first.stop(), first.stop(), assert.rejects(waiting, /closed/)]);
    const second = await EmbeddedRedis.start({ port });
    const other = new RawClient(port);
    assert.deepStrictEqual(await other.call('XRANGE', 's', '-', '+'), []);
    other.close();
    await second.stop();
  });

  it('is on loopback alone, several at once know nothing of each other', async (t) => {
    const [one, other] = [await serving(t), await serving(t)];
    await one.client.call('SET', 'k', 'one');
    assert.strictEqual(await other.client.call('GET', 'k'), null);
    assert.match(one.redis.url, /^redis:\/\/127\.0\.0\.1:\d+$/);
    assert.deepStrictEqual(await one.client.call('CONFIG', 'GET', 'bind'), ['bind', '127.0.0.1']);
  });

  it('lets in who knows the password', async (t) => {
    const { redis, client } = await serving(t, { password: 'p@ss/word' });
    await assert.rejects(client.call('GET', 'k'), /NOAUTH Authentication required/);
    await assert.rejects(client.call('AUTH', 'wrong'), /WRONGPASS/);
    assert.strictEqual(await client.call('AUTH', 'p@ss/word'), 'OK');
    assert.strictEqual(await client.call('GET', 'k'), null);
    const connection = ConnectionManager.standalone(redis.url);
    await connection.getClient('x').ping();
    await connection.stop();
  });

  it('refuses what would take more memory than it may, and serves on', async (t) => {
    const { client } = await serving(t, { maxMemory: 100_000 });
    const added = [];
    const full = /^OOM command not allowed when used memory > 'maxmemory'\.$/;
    await assert.rejects(
      async () => {
        for (;;) added.push(await client.call('XADD', 's', '*', 'text', 'x'.repeat(1000)));
      },
      { message: full },
    );
    assert.ok(added.length > 50 && added.length < 110, `${added.length}`);
    await assert.rejects(client.call('SET', 'k', 'v'), { message: full });
    assert.strictEqual(await client.call('XLEN', 's'), added.length);
    assert.strictEqual(await client.call('DEL', 's'), 1);
    await client.call('MULTI');
    for (let at = 0; at < 9; at++) await client.call('ECHO', 'x'.repeat(10_000));
    await assert.rejects(client.call('ECHO', 'x'.repeat(10_000)), { message: full });
    await assert.rejects(client.call('EXEC'), /^Error: EXECABORT/);
    assert.strictEqual(await client.call('SET', 'k', 'v'), 'OK');
    assert.match(await client.call('INFO', 'memory'), /^used_memory_dataset:(1|2)\d\d\r$/m);
  });

  it('refuses options that cannot work by their names, before anything listens', async () => {
    for (const [options, error] of [
      [5, { name: 'TypeError', message: 'options must be an object' }],
      [{ port: 65536 }, { name: 'RangeError', message: /^port must/ }],
      [{ port: 'x' }, { name: 'TypeError', message: /^port must/ }],
      [{ seed: -1 }, { name: 'RangeError', message: /^seed must/ }],
      [{ clock: 'fast' }, { name: 'TypeError', message: /^clock must/ }],
      [{ maxMemory: -1 }, { name: 'RangeError', message: /^maxMemory must/ }],
      [{ password: {} }, { name: 'TypeError', message: /^password must/ }],
      [{ chaos: true }, { name: 'TypeError', message: /^chaos must/ }],
      [{ chaos: { delay: -1 } }, { name: 'RangeError', message: /^chaos\.delay must/ }],
      [{ chaos: { dropConnection: 1.5 } }, { name: 'RangeError', message: /^chaos\.dropConnection must/ }],
      [{ chaos: { loseCompletion: 'often' } }, { name: 'TypeError', message: /^chaos\.loseCompletion must/ }],
    ]) {
      await assert.rejects(EmbeddedRedis.start(options), error);
    }
    const missing = {
      port: null,
      seed: Number.NaN,
      clock: undefined,
      chaos: null,
      password: null,
      maxMemory: undefined,
    };
    await (await EmbeddedRedis.start(missing)).stop();
  });

  it('keeps the process alive until it is stopped, and no longer', async () => {
    const child = new Child({ file: TESTING }, async ({ hfxbus, print }) => {
      const redis = await hfxbus.EmbeddedRedis.start();
      print('started', redis.port);
      setTimeout(async () => {
        await redis.stop();
        print('stopped');
      }, 100);
    });
    assert.strictEqual((await child.exit()).code, 0);
    assert.deepStrictEqual(
      child.printed.map(([word]) => word),
      ['started', 'stopped'],
    );
  });

  it('goes with the worker that started it', async () => {
    const source = `
      const { EmbeddedRedis } = require(${JSON.stringify(TESTING)});
      EmbeddedRedis.start().then(({ port }) => require('node:worker_threads').parentPort.postMessage(port));`;
    const worker = new Worker(source, { eval: true });
    const port = await new Promise((resolve) => worker.once('message', resolve));
    const client = new RawClient(port);
    assert.strictEqual(await client.call('PING'), 'PONG');
    await worker.terminate();
    await until(() => client.isClosed);
  });
});
