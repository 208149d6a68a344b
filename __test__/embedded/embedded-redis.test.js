'use strict';

const assert = require('node:assert');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const { Worker } = require('node:worker_threads');
const { Child } = require('../support/child.js');
const { RawClient } = require('../support/raw-client.js');
const { until } = require('../support/wait-until.js');
const { ConnectionManager, Consumer, Producer } = require('../../index.js');
const { EmbeddedRedis } = require('../../testing.js');
const { serving } = require('./serving.js');

const TESTING = path.resolve(__dirname, '..', '..', 'testing.js');

/** Maximum time of a case on a busy machine, in ms. */
const LIMIT = 60000;

describe('EmbeddedRedis', { timeout: LIMIT }, () => {
  it('works as a Redis for a bus', async (t) => {
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

  it('identifies itself in INFO', async (t) => {
    const { client } = await serving(t);
    const info = await client.call('INFO');
    assert.match(info, /^redis_version:7\.0\.15\r$/m);
    assert.match(info, /^hfxbus_embedded:3\./m);
    assert.match(info, /not for production/);
    assert.doesNotMatch(info, /cmdstat_/);
    assert.match(await client.call('INFO', 'commandstats'), /^cmdstat_info:calls=1,/m);
  });

  it('closes its connections and frees its port when it is stopped, also twice', async () => {
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

  it('listens on loopback alone', async (t) => {
    const { redis, client } = await serving(t);
    const interfaces = Object.values(os.networkInterfaces()).flat();
    const elsewhere = interfaces.filter(({ address }) => address !== '127.0.0.1').map(({ address }) => address);
    // What listens on every interface is here too, where there is no network.
    if (process.platform === 'linux') elsewhere.push('127.0.0.2');
    for (const host of elsewhere) {
      const socket = net.connect({ host, port: redis.port, timeout: 1000 });
      const outcome = await new Promise((resolve) => {
        for (const event of ['connect', 'error', 'timeout']) socket.once(event, () => resolve(event));
      });
      socket.destroy();
      assert.notStrictEqual(outcome, 'connect', host);
    }
    assert.strictEqual(await client.call('PING'), 'PONG');
  });

  it('shares nothing with other instances', async (t) => {
    const [one, other] = [await serving(t), await serving(t)];
    await one.client.call('SET', 'k', 'one');
    assert.strictEqual(await other.client.call('GET', 'k'), null);
    assert.match(one.redis.url, /^redis:\/\/127\.0\.0\.1:\d+$/);
    assert.deepStrictEqual(await one.client.call('CONFIG', 'GET', 'bind'), ['bind', '127.0.0.1']);
  });

  it('accepts clients with the password', async (t) => {
    const { redis, client } = await serving(t, { password: 'p@ss/word' });
    await assert.rejects(client.call('GET', 'k'), /NOAUTH Authentication required/);
    await assert.rejects(client.call('AUTH', 'wrong'), /WRONGPASS/);
    assert.strictEqual(await client.call('AUTH', 'p@ss/word'), 'OK');
    assert.strictEqual(await client.call('GET', 'k'), null);
    const connection = ConnectionManager.standalone(redis.url);
    await connection.getClient('x').ping();
    await connection.stop();
  });

  it('needs no password if it is empty, like a Redis and a bus', async (t) => {
    const { redis, client } = await serving(t, { password: '' });
    assert.strictEqual(await client.call('GET', 'k'), null);
    const connection = ConnectionManager.standalone(redis.url);
    assert.strictEqual(await connection.getClient('x').ping(), 'PONG');
    await connection.stop();
  });

  it('rejects commands beyond its memory limit, and continues', async (t) => {
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

  it('counts names like values', async (t) => {
    const { client } = await serving(t);
    const used = async () => Number(/used_memory_dataset:(\d+)/.exec(await client.call('INFO', 'memory'))[1]);
    const long = 'x'.repeat(100_000);
    await client.call('XGROUP', 'CREATE', 's', long, '0', 'MKSTREAM');
    assert.ok((await used()) > 100_000);
    await client.call('XGROUP', 'CREATECONSUMER', 's', long, long);
    assert.ok((await used()) > 200_000);
    // Names of fields are kept once for all entries, and in each as they are replied.
    const id = await client.call('XADD', 's', '*', long, 'v');
    assert.ok((await used()) > 400_000);
    await client.call('XDEL', 's', id);
    assert.ok((await used()) < 210_000);
    await client.call('XGROUP', 'DELCONSUMER', 's', long, long);
    await client.call('XGROUP', 'DESTROY', 's', long);
    assert.ok((await used()) < 1000);
    await client.call('DEL', 's');
    assert.strictEqual(await used(), 0);
  });

  it('closes a connection that repeats a request until it would fill the memory', async (t) => {
    const { client, connect } = await serving(t, { maxMemory: 1_000_000 });
    await client.call('SET', 'k', 'x'.repeat(500_000));
    const keys = (count) => Array(count).fill('k');
    assert.strictEqual((await connect().call('MGET', ...keys(3))).length, 3);
    await assert.rejects(connect().call('MGET', ...keys(1000)), /closed/);
    const other = connect();
    await other.call('MULTI');
    await other.callAll(keys(1000).map((key) => ['GET', key]));
    await assert.rejects(other.call('EXEC'), /closed/);
    assert.strictEqual(await client.call('PING'), 'PONG');
    await until(async () => (await client.call('INFO', 'clients')).includes('connected_clients:2\r'));
  });

  it('rejects invalid options by name, before it listens', async () => {
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

  it('is stopped by `await using`', async () => {
    const redis = await EmbeddedRedis.start();
    const client = new RawClient(redis.port);
    await client.call('PING');
    if (Symbol.asyncDispose) await redis[Symbol.asyncDispose]();
    else await redis.stop();
    await until(() => client.isClosed);
  });

  it('ends with a process that exits without stopping it, in any state', async () => {
    const child = new Child({ file: TESTING }, async ({ hfxbus, print }) => {
      const redis = await hfxbus.EmbeddedRedis.start();
      process.once('SIGTERM', () => process.exit(7));
      print('started', redis.port);
    });
    const [port] = await child.says('started');
    const clients = Array.from({ length: 5 }, () => new RawClient(port));
    await clients[0].call('SET', 'k', 'x'.repeat(1_000_000));
    let answers = 0;
    const work = clients.map(async (client) => {
      for (;;) {
        await client.call('GET', 'k');
        answers++;
      }
    });
    await until(() => answers > 20);
    child.signal('SIGTERM');
    await Promise.all(work.map((one) => assert.rejects(one, /closed/)));
    assert.strictEqual((await child.exit()).code, 7);
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

  it('ends with the worker that started it', async () => {
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
