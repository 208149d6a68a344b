'use strict';

const assert = require('node:assert');
const { randomBytes } = require('node:crypto');
const { after, describe, it } = require('node:test');
const { DelayedChunks } = require('../../bench/network/delayed-chunks.js');
const { Servers } = require('../../bench/servers.js');
const { RawClient } = require('../support/raw-client.js');
const { until } = require('../support/wait-until.js');

describe('the network of the benchmark', () => {
  const servers = new Servers();
  after(() => servers.stop());

  it('delays a PING and its answer by the delay of the case', async () => {
    const [server] = await servers.provide();
    const { port } = server;
    assert.deepStrictEqual(await servers.network.between([server], { delay: 0 }), [port]);
    for (const delay of [0.5, 5]) {
      const took = await servers.network.ping(server, delay);
      assert.ok(took >= delay, `${took} ms instead of ${delay} ms`);
    }
  });

  it('hands on large values and the end of a connection', async () => {
    const [server] = await servers.provide();
    const [port] = await servers.network.between([server], { delay: 1 });
    const client = new RawClient(port);
    const value = randomBytes(1 << 20);
    await client.call('SET', 'large', value);
    assert.ok(value.equals(await client.callBuffer('GET', 'large')));
    await client.call('CLIENT', 'SETNAME', 'through-the-network');
    const isConnected = async () => (await server.call('CLIENT', 'LIST')).includes('through-the-network');
    assert.ok(await isConnected());
    client.close();
    await until(async () => !(await isConnected()), { what: 'the end of the connection' });
  });

  it('holds every chunk for the whole delay, and keeps the order', async () => {
    const chunks = new DelayedChunks(3);
    const delivered = [];
    await new Promise((resolve) => {
      const add = (index) => {
        const held = performance.now();
        chunks.hold(() => {
          delivered.push({ index, took: performance.now() - held });
          if (index === 199) resolve();
        });
      };
      for (let index = 0; index < 100; index++) add(index);
      setTimeout(() => Array.from({ length: 100 }, (_, index) => add(100 + index)), 2);
    });
    assert.deepStrictEqual(
      delivered.map(({ index }) => index),
      Array.from({ length: 200 }, (_, index) => index),
    );
    assert.ok(delivered.every(({ took }) => took >= 3));
  });
});

describe('servers of the benchmark', () => {
  const servers = new Servers();
  after(() => servers.stop());

  it('write to disk as the case says, each to a new file', async () => {
    for (const appendfsync of ['everysec', 'always']) {
      const [server] = await servers.provide({ appendfsync });
      assert.strictEqual(await server.call('DBSIZE'), 0);
      assert.deepStrictEqual(await server.call('CONFIG', 'GET', 'appendfsync'), ['appendfsync', appendfsync]);
      assert.match(await server.call('INFO', 'persistence'), /^aof_enabled:1\r?$/m);
      await server.call('SET', 'left', 'over');
    }
    const [plain] = await servers.provide();
    assert.match(await plain.call('INFO', 'persistence'), /^aof_enabled:0\r?$/m);
  });
});
