'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { fix, keep, ours } = require('../support/cases.js');
const { until } = require('../support/wait-until.js');

const CLOSED = { message: 'Connection is closed.' };

/** The events of a client from now on, but for `connecting`, which 2.2.0 has before anybody can listen. */
function eventsOf(client) {
  const events = [];
  for (const event of ['connect', 'ready', 'close', 'reconnecting', 'end']) client.on(event, () => events.push(event));
  return events;
}

keep('B-104 the same key is the same client', async (_, scene) => {
  const { connection } = scene;
  const client = connection.getClient('mine');
  assert.strictEqual(connection.getClient('mine'), client);
  assert.strictEqual(connection.getClientByRoute('mine', 'anywhere'), client);
  assert.deepStrictEqual(connection.getClients('mine'), [client]);
  assert.notStrictEqual(connection.getClient('other'), client);
  assert.deepStrictEqual([client.keyPrefix, client.enablePipelining], ['hfxbus', true]);
});

fix('B-110 an ended client makes room for another one of its key', async (_, scene) => {
  const { connection } = scene;
  const client = connection.getClient('mine');
  await client.quit();
  await until(() => connection.getClient('mine') !== client, { what: 'another client' });
  const next = connection.getClient('mine');
  assert.strictEqual(await next.ping(), 'PONG');
  assert.strictEqual(connection.getClient('mine'), next);
});

keep('B-104 a client reports its life by status and events', async (_, scene) => {
  const client = scene.connect().getClient('mine');
  const events = eventsOf(client);
  assert.ok(['connecting', 'connect', 'ready'].includes(client.status), client.status);
  await until(() => client.status === 'ready');
  await client.ping();
  assert.deepStrictEqual(events, ['connect', 'ready']);
  assert.strictEqual(await client.quit(), 'OK');
  await until(() => client.status === 'end');
  await until(() => events.length === 4);
  assert.deepStrictEqual(events, ['connect', 'ready', 'close', 'end']);
});

keep('B-104 a lazy client waits for its first command', async (_, scene) => {
  const client = scene.connect({ lazyConnect: true }).getClient('mine');
  assert.strictEqual(client.status, 'wait');
  assert.strictEqual(await client.ping(), 'PONG');
  assert.strictEqual(client.status, 'ready');
});

keep('B-104 blocking commands delay no other command', async (_, scene) => {
  const list = scene.name('list');
  const waiting = scene.connection.getClient('waiting').blpop(list, 0);
  assert.strictEqual(await scene.connection.getClient('other').rpush(list, 'a'), 1);
  assert.deepStrictEqual(await waiting, [list, 'a']);
});

keep(
  'B-104 pending commands fail when the client is closed, and so do commands that are called afterwards',
  async (_, scene) => {
    const client = scene.connect().getClient('mine');
    await client.ping();
    const waiting = assert.rejects(client.blpop(scene.name('list'), 0), CLOSED);
    client.disconnect();
    await waiting;
    await until(() => client.status === 'end');
    await assert.rejects(client.ping(), CLOSED);
    const [[error]] = await client.pipeline().ping().exec();
    assert.strictEqual(error.message, CLOSED.message);
  },
);

keep('B-104 quit() follows the commands before it, even while connecting', async (_, scene) => {
  const key = scene.name('key');
  const client = scene.connection.getClient('mine');
  const done = Promise.all([client.set(key, 'v'), client.pipeline().append(key, 'w').exec(), client.quit()]);
  assert.deepStrictEqual(await done, ['OK', [[null, 2]], 'OK']);
  assert.strictEqual(await scene.redis.call('GET', key), 'vw');
});

keep('B-104 after stop() a client stays closed, and its key gets another client', async (_, scene) => {
  const { connection } = scene;
  const client = connection.getClient('mine');
  const lazy = scene.connect({ lazyConnect: true });
  const neverUsed = lazy.getClient('mine');
  await client.ping();
  await connection.stop();
  await lazy.stop();
  await until(() => client.status === 'end');
  await assert.rejects(client.ping(), CLOSED);
  assert.notStrictEqual(lazy.getClient('mine'), neverUsed);
  const next = connection.getClient('mine');
  assert.notStrictEqual(next, client);
  assert.strictEqual(await next.ping(), 'PONG');
});

fix('B-111 a job of a closed client fails, and opens no connection that nothing closes', async (_, scene) => {
  const client = scene.connection.getClient('mine');
  const job = new scene.hfxbus.Job(client, 'job-1').set('a', 1);
  await client.quit();
  await assert.rejects(job.push(), { code: 'CONNECTION_CLOSED' });
  assert.strictEqual(client.status, 'end');
  await scene.connection.stop();
  await assert.rejects(new scene.hfxbus.Job(client, 'job-1').set('a', 1).push(), { code: 'CONNECTION_CLOSED' });
});

keep('B-104 jobs can use a client', async (_, scene) => {
  const client = scene.connection.getClient('mine');
  const job = new scene.hfxbus.Job(client, scene.name('job'));
  await job
    .set('a', { b: 1 })
    .set('c', Buffer.from([255]))
    .push();
  assert.strictEqual(await client.get(job.prefix('a')), '{"b":1}');
  assert.deepStrictEqual(await client.getBuffer(job.prefix('c')), Buffer.from([255]));
  assert.deepStrictEqual(await job.get('a', false).del('a').pull(), { a: { b: 1 } });
});

keep('B-104 a selected database stays selected when the connection is made anew', async (_, scene) => {
  const key = scene.name('key');
  const client = scene.connection.getClient('mine');
  await client.select(3);
  await client.set(key, 'in 3');
  const id = await client.client('id');
  await scene.redis.call('CLIENT', 'KILL', 'ID', String(id));
  await until(async () => (await client.client('id')) !== id);
  assert.strictEqual(await client.get(key), 'in 3');
  await assert.rejects(client.select(99999), /^ReplyError: ERR/);
  assert.strictEqual(await scene.redis.call('GET', key), null);
  // 2.2.0 does not know it any more since its connection dropped.
  await client.quit();
});

/** A server of the test's own making; `answer` says what is answered to what came, or null to hang up. */
async function fake(scene, answer) {
  const heard = [];
  const server = net.createServer((socket) => {
    heard.push('');
    socket.on('error', () => {});
    socket.on('data', (data) => {
      heard[heard.length - 1] += data;
      for (const part of [answer(String(data), heard.length)].flat()) {
        if (part === null) socket.destroy();
        else socket.write(part);
      }
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const connection = scene.connect({ port: server.address().port, enableReadyCheck: false });
  return { heard, client: connection.getClient('mine'), close: () => server.close() };
}

fix('B-116 a transaction begun on a lost connection does not continue outside of a transaction', async (_, scene) => {
  const { client, heard, close } = await fake(scene, (data, session) => {
    if (session === 1) return data.includes('multi') ? ['+OK\r\n', null] : '+OK\r\n';
    return '+PONG\r\n'.repeat(data.split('ping').length - 1);
  });
  await assert.rejects(client.multi().incr('a').incr('b').exec(), { code: 'CONNECTION_LOST', command: 'EXEC' });
  assert.strictEqual(await client.ping(), 'PONG');
  assert.ok(!/incr|exec/.test(heard[1]), heard[1]);
  close();
});

fix('B-116 a restarted server is not shut down again', async (_, scene) => {
  const { client, heard, close } = await fake(scene, (data) => (data.includes('shutdown') ? null : '+PONG\r\n'));
  await assert.rejects(client.shutdown('nosave'), { code: 'CONNECTION_LOST', command: 'SHUTDOWN' });
  assert.strictEqual(await client.ping(), 'PONG');
  assert.deepStrictEqual(
    heard.map((words) => words.includes('shutdown')),
    [true, false],
  );
  close();
});

ours('B-104 commands that change the mode of a connection are rejected before anything is sent', async (_, scene) => {
  const monitor = await scene.monitor();
  const client = scene.connection.getClient('mine');
  const refused = [
    ['subscribe', 'c'],
    ['psubscribe', 'c*'],
    ['ssubscribe', 'c'],
    ['unsubscribe'],
    ['punsubscribe'],
    ['sunsubscribe'],
    ['monitor'],
    ['sync'],
    ['psync', '?', -1],
    ['client', 'reply', 'off'],
    ['client', Buffer.from('REPLY'), 'SKIP'],
    ['hello', 3],
    ['call', 'SUBSCRIBE', 'c'],
    ['callBuffer', 'Quit'],
  ];
  for (const [method, ...args] of refused) {
    const expected = { name: 'Error', code: 'UNSUPPORTED_COMMAND' };
    await assert.rejects(client[method](...args), expected, method);
    assert.throws(() => client.pipeline()[method](...args), expected, method);
    assert.throws(() => client.pipeline([[method, ...args]]), expected, method);
  }
  assert.throws(() => client.pipeline().quit(), { command: 'QUIT' });
  assert.strictEqual((await client.hello(2))[0], 'server');
  assert.strictEqual(await client.ping(), 'PONG');
  const names = (await monitor.commands()).map(([name]) => name).filter((name) => name !== 'INFO');
  assert.deepStrictEqual(names, ['HELLO', 'PING']);
});

ours('B-104 an invalid argument is a TypeError that names it, before anything is sent', async (_, scene) => {
  const monitor = await scene.monitor();
  const client = scene.connection.getClient('mine');
  await client.ping();
  const odd = [
    [['get', {}], 'argument 1 of GET cannot be an object'],
    [['set', 'k', new Map()], 'argument 2 of SET cannot be an object'],
    [['set', 'k', Object.create(null)], 'argument 2 of SET cannot be an object'],
    [['hset', 'k', { a: {} }], 'argument 3 of HSET cannot be an object'],
    [['mget', ['a', ['b']]], 'argument 2 of MGET cannot be an array within an array'],
    [['get', Symbol('secret')], 'argument 1 of GET cannot be a symbol'],
    [
      ['get', 'k', () => {}],
      'argument 2 of GET cannot be a function: a command takes no callback; it returns a promise',
    ],
    [['call'], 'command must be a string'],
    [['call', {}], 'command must be a string'],
    [['call', ''], 'command must be the name of a command'],
  ];
  for (const [[method, ...args], message] of odd) {
    const expected = { name: 'TypeError', message };
    await assert.rejects(client[method](...args), expected);
    assert.throws(() => client.pipeline()[method](...args), expected);
    assert.throws(() => client.multi([[method, ...args]]), expected);
  }
  for (const list of ['get k', {}, 5]) assert.throws(() => client.pipeline(list), /commands must be an array/);
  assert.throws(() => client.pipeline(['get']), { name: 'TypeError', message: 'commands[0] must be an array' });
  assert.throws(() => client.pipeline().exec(() => {}), /exec\(\) takes no callback/);
  const sent = client.pipeline().ping();
  assert.strictEqual(sent.exec(), sent.exec());
  assert.throws(() => sent.ping(), { message: 'the pipeline was sent already' });
  await sent.exec();
  const names = (await monitor.commands()).map(([name]) => name).filter((name) => name !== 'INFO');
  assert.deepStrictEqual(names, ['PING', 'PING']);
});

ours('B-045 a listener that throws is reported, and prevents no other event', async (_, scene) => {
  const client = scene.connection.getClient('mine');
  const errors = scene.errors(client);
  client.on('ready', () => {
    throw new RangeError('mine');
  });
  client.on('close', () => {
    throw 'text';
  });
  await client.ping();
  await client.quit();
  await until(() => errors.length === 2);
  assert.deepStrictEqual(
    errors.map(({ name, code, cause }) => [name, code, cause]),
    [
      ['RangeError', 'LISTENER_ERROR', undefined],
      ['Error', 'LISTENER_ERROR', 'text'],
    ],
  );
  assert.strictEqual(client.status, 'end');
});

fix('B-117 a client whose retryStrategy gives up ends, and its key gets another client', async (_, scene) => {
  const server = await scene.server();
  const connection = scene.connect({ ...server.options, retryStrategy: () => null });
  const client = connection.getClient('mine');
  await client.ping();
  const events = eventsOf(client);
  server.kill();
  await until(() => client.status === 'end');
  await assert.rejects(client.ping(), { code: 'CONNECTION_CLOSED', command: 'PING' });
  assert.deepStrictEqual(events, ['close', 'end']);
  await server.start();
  assert.strictEqual(await connection.getClient('mine').ping(), 'PONG');
});
