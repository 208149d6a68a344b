'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { RedisServer, freePort } = require('../support/redis-server.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');

const QUICK = { retryStrategy: () => 10, maxRetriesPerRequest: null };

/** The events of a manager's connections from now on, by name, with what they were given. */
function record(connection) {
  const events = [];
  for (const name of ['connect', 'ready', 'reconnecting', 'error']) {
    connection.on(name, (about) => events.push([name, about]));
  }
  return events;
}

const names = (events) => events.map(([name]) => name);

async function send(scene, connection) {
  const producer = scene.producer(connection);
  await producer.send({ stream: scene.stream, job: producer.job() });
}

ours('a manager reports each connection, loss and reconnection once', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect({ ...redis.options, ...QUICK });
  const events = record(connection);
  await send(scene, connection);
  redis.kill();
  await until(() => names(events).includes('reconnecting'));
  const sending = send(scene, connection);
  // A good many attempts.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await redis.start();
  await sending;
  assert.deepStrictEqual(names(events), ['connect', 'ready', 'reconnecting', 'connect', 'ready']);
  const node = `127.0.0.1:${redis.port}`;
  assert.deepStrictEqual(events[0][1], { node, index: 0 });
  const { error, ...about } = events[2][1];
  assert.deepStrictEqual([about, error.node], [{ node, index: 0 }, node]);
  await connection.stop();
  assert.strictEqual(events.length, 5);
});

ours('an unreachable Redis is reported once, with the reason, and without a connection', async (_, scene) => {
  const redis = new RedisServer(await freePort(), []);
  scene.closing(() => redis.kill());
  const connection = scene.connect({ ...redis.options, ...QUICK });
  const events = record(connection);
  const sending = send(scene, connection);
  await until(() => events.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepStrictEqual(names(events), ['reconnecting']);
  assert.strictEqual(events[0][1].error.code, 'ECONNREFUSED');
  await redis.start();
  await sending;
  assert.deepStrictEqual(names(events), ['reconnecting', 'connect', 'ready']);
});

ours('a silent network is the reason of a reconnection', async (_, scene) => {
  const proxy = await TcpProxy.to(scene.redis.port);
  scene.closing(() => proxy.close());
  const connection = scene.connect({ ...proxy.options, ...QUICK, socketTimeout: 300 });
  const events = record(connection);
  await send(scene, connection);
  proxy.blackHolePresent();
  await send(scene, connection);
  assert.deepStrictEqual(names(events), ['connect', 'ready', 'reconnecting', 'connect', 'ready']);
  assert.strictEqual(events[2][1].error.code, 'ETIMEDOUT');
});

ours('the index of an event names one of several nodes', async (_, scene) => {
  const servers = await Promise.all([scene.server(), scene.server()]);
  const nodes = servers.map(({ options }) => options);
  const connection = scene.adopt(scene.hfxbus.ConnectionManager.nodes({ nodes }));
  const events = record(connection);
  const producer = scene.producer(connection);
  await producer.listen();
  await Promise.all(
    Array.from({ length: 20 }, () =>
      producer.send({ stream: scene.stream, job: producer.job(), route: scene.hfxbus.DISTRIBUTED_ROUTING }),
    ),
  );
  const ready = events.filter(([name]) => name === 'ready').map(([, about]) => about);
  ready.sort((left, right) => left.index - right.index);
  assert.deepStrictEqual(
    ready,
    servers.map(({ port }, index) => ({ node: `127.0.0.1:${port}`, index })),
  );
});

ours('a listener that throws is an error of the manager, and stops nothing', async (_, scene) => {
  const connection = scene.connect();
  const events = record(connection);
  connection.on('ready', () => {
    throw new TypeError('mine');
  });
  await send(scene, connection);
  assert.deepStrictEqual(names(events), ['connect', 'ready', 'error']);
  assert.deepStrictEqual([events[2][1].code, events[2][1].message], ['LISTENER_ERROR', 'mine']);
});
