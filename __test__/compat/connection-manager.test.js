'use strict';

const assert = require('node:assert');
const { fix, keep, ours } = require('../support/cases.js');
const { authority } = require('../support/certificates.js');
const { frozen } = require('../support/frozen-objects.js');
const { keys } = require('../support/keys.js');
const { stays, until } = require('../support/wait-until.js');

keep('B-100 standalone leaves its options unchanged, and accepts frozen ones', async (_, scene) => {
  const options = frozen({
    ...scene.redis.options,
    keyPrefix: 'mine',
    enablePipelining: false,
    retryStrategy: () => 5,
  });
  const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone(options));
  assert.strictEqual(connection.getKeyPrefix(), 'mine');
  await scene.producer(connection).job('job-1').set('a', 1).push();
  assert.strictEqual(await scene.redis.call('GET', keys.payload('job-1', 'a', 'mine')), '1');
});

fix('B-100 neither the constructor nor nodes() change their arguments', (_, scene) => {
  const { ConnectionManager } = scene.hfxbus;
  const standalone = frozen({ keyPrefix: 'mine', tls: { ca: [authority('any').cert] } });
  assert.strictEqual(new ConnectionManager(frozen({ standalone })).getKeyPrefix(), 'mine');
  const nodes = frozen({
    keyPrefix: 'mine',
    nodes: [{ sequence: 1, staticRoutes: ['a', 1], keyPrefix: 'extra' }, { port: 7000 }],
  });
  assert.strictEqual(ConnectionManager.nodes(nodes).getKeyPrefix(), 'mine');
});

keep('B-101 the key prefix applies to payload keys, streams, groups and channels', async (_, scene) => {
  const connection = scene.connect({ keyPrefix: 'mine' });
  const heard = await scene.hear('*');
  await scene.play(async () => {}, { connection });
  const producer = scene.producer(connection);
  const monitor = await scene.monitor();
  const job = producer.job();
  await job.set('a', 1).push();
  await producer.send({ stream: scene.stream, job });
  await until(() => heard.length === 1);
  const commands = await monitor.commands();
  const [set, add, ack] = ['SET', 'XADD', 'XACK'].map((name) => commands.find(([command]) => command === name));
  assert.strictEqual(set[1], keys.payload(job.id, 'a', 'mine'));
  assert.strictEqual(add[1], keys.stream(scene.stream, 'mine'));
  assert.deepStrictEqual(ack.slice(1, 3), [keys.stream(scene.stream, 'mine'), keys.group(scene.group, 'mine')]);
  assert.strictEqual(heard[0].channel, keys.channel(scene.stream, producer.id, 'mine'));
});

ours('B-102 standalone takes a URL with user, host and database', async (_, scene) => {
  const redis = await scene.server('--user', ...'ann on >s%cret ~* &* +@all'.split(' '));
  const url = `redis://ann:${encodeURIComponent('s%cret')}@127.0.0.1:${redis.port}/3`;
  for (const connection of [url, { url, connectionName: 'named' }]) {
    const manager = scene.adopt(scene.hfxbus.ConnectionManager.standalone(connection));
    await scene.producer(manager).job('job-1').set('a', 1).push();
  }
  await redis.call('SELECT', '3');
  assert.strictEqual(await redis.call('GET', keys.payload('job-1', 'a')), '1');
  const list = await redis.call('CLIENT', 'LIST');
  assert.match(list, /name=named .* db=3 .*user=ann/);
});

ours('B-102 an invalid URL is a TypeError that does not repeat the URL', (_, scene) => {
  for (const url of ['http://u:s3cret@h', 'redis://u:s3cret@h:99999', 's3cret']) {
    assert.throws(
      () => scene.hfxbus.ConnectionManager.standalone(url),
      (error) => error instanceof TypeError && /^url /.test(error.message) && !error.message.includes('s3cret'),
      url,
    );
  }
});

keep('B-103 a port can be a string of digits', async (_, scene) => {
  const connection = scene.connect({ port: String(scene.redis.port) });
  await scene.producer(connection).job('job-1').set('a', 1).push();
});

fix('B-103 a port that parseInt turns into NaN is 6379; another invalid port is rejected', async (_, scene) => {
  for (const port of [Number.NaN, undefined, null]) {
    const client = scene.connect({ host: '127.0.0.1', port, retryStrategy: () => null }).getClient('mine');
    const errors = scene.errors(client);
    await until(() => client.status === 'ready' || errors.length > 0);
    // There may be a Redis there.
    assert.ok(client.status === 'ready' || errors[0].node === '127.0.0.1:6379', errors[0]?.message);
  }
  for (const port of [0, -1, 65536, 1.5, Infinity, '70000']) {
    assert.throws(() => scene.connect({ port }), { name: 'RangeError', message: /^port / }, `${port}`);
  }
});

keep('B-104 a client exists once per name until stop(); with one Redis every route leads to it', async (_, scene) => {
  const connection = scene.connect({ enablePipelining: false });
  const client = connection.getClient('mine');
  assert.deepStrictEqual([client.keyPrefix, client.enablePipelining], ['hfxbus', false]);
  assert.strictEqual(connection.getClient('mine'), client);
  assert.strictEqual(connection.getClientByRoute('mine', 'a route'), client);
  assert.deepStrictEqual(connection.getClients('mine'), [client]);
  assert.notStrictEqual(connection.getClient('other'), client);
  await until(() => client.status === 'ready');
  await connection.stop();
  assert.notStrictEqual(connection.getClient('mine'), client);
});

keep('B-104 a client sends commands and pipelines, emits its states, and closes', async (_, scene) => {
  const client = scene.connect().getClient('mine');
  const states = [];
  for (const state of ['connect', 'ready', 'end']) client.on(state, () => states.push(state));
  const key = scene.name('key');
  assert.strictEqual(await client.call('set', key, 'text'), 'OK');
  assert.strictEqual(await client.call('get', key), 'text');
  const replies = await client
    .pipeline([
      ['strlen', key],
      ['llen', key],
      ['del', key],
    ])
    .exec();
  assert.deepStrictEqual(
    replies.map(([error, reply]) => error?.message.split(' ')[0] ?? reply),
    [4, 'WRONGTYPE', 1],
  );
  await assert.rejects(client.call('llen'), { name: 'ReplyError', message: /wrong number of arguments/ });
  assert.strictEqual(await client.quit(), 'OK');
  await until(() => states.length === 3);
  assert.deepStrictEqual(states, ['connect', 'ready', 'end']);
});

fix('B-104 getClient() without a route throws a TypeError if there are several nodes', async (_, scene) => {
  const nodes = [{ ...scene.redis.options }, { ...scene.redis.options }];
  const connection = scene.adopt(scene.hfxbus.ConnectionManager.nodes({ nodes }));
  assert.throws(() => connection.getClient('mine'), TypeError);
  assert.strictEqual(connection.getClients('mine').length, 2);
});

keep('B-108 connections keep the process alive, also after pause(); without connections it ends', async (_, scene) => {
  const idle = scene.child(({ hfxbus, options }) => {
    const connection = hfxbus.ConnectionManager.standalone(options);
    new hfxbus.Consumer(connection, { group: 'g' }).process({ stream: 's', processor: async () => {} });
    new hfxbus.Producer(connection);
  });
  assert.strictEqual((await idle.exit()).code, 0);
  const child = scene.child(async ({ hfxbus, options, print }) => {
    const connection = hfxbus.ConnectionManager.standalone(options);
    const consumer = new hfxbus.Consumer(connection, { group: 'g', blockTimeout: 50 });
    consumer.process({ stream: 's', processor: async () => {} });
    await consumer.play();
    await consumer.pause();
    print('paused');
    process.on('SIGTERM', () => connection.stop());
  });
  await child.says('paused');
  let ended = false;
  child.exit().then(() => {
    ended = true;
  });
  await stays(() => !ended, 150);
  child.signal('SIGTERM');
  assert.strictEqual((await child.exit()).code, 0);
});

ours(
  'B-050 close() unsubscribes a producer and ends its waits; the bus and the producer stay usable',
  async (_, scene) => {
    const redis = await scene.server();
    const connection = scene.connect(redis.options);
    const producer = scene.producer(connection);
    const patterns = () => redis.call('PUBSUB', 'NUMPAT');
    await producer.listen('a', 'b');
    const job = await producer.send({ stream: 'a', job: producer.job(), waitFor: ['nobody'] });
    const rejected = assert.rejects(job.finished(), { code: 'CONNECTION_CLOSED' });
    assert.strictEqual(await patterns(), 2);
    await producer.close();
    await rejected;
    await until(async () => (await patterns()) === 0);
    await producer.close();
    await producer.listen('a');
    assert.strictEqual(await patterns(), 1);
  },
);

fix('B-050 fifty closed producers leave nothing behind', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const producers = Array.from({ length: 50 }, () => scene.producer(connection));
  await Promise.all(producers.map((producer) => producer.listen('a')));
  await Promise.all(producers.map((producer) => producer.close()));
  await until(async () => (await redis.call('PUBSUB', 'NUMPAT')) === 0);
});
