'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ours } = require('../support/cases.js');
const { ERROR, FakeRedis, OK, bulk } = require('../support/fake-redis.js');
const { keys } = require('../support/keys.js');
const { replaceSubscribers } = require('../support/named-clients.js');
const { stays, until } = require('../support/wait-until.js');

/** Opens the connections of a bus: the shared one, the subscriber and a reader connection. */
async function everything(scene, options) {
  const connection = scene.connect(options);
  const producer = scene.producer(connection);
  await producer.listen('a');
  await scene.play(async () => {}, { connection });
  await producer.job('job-1').set('a', 1).push();
  return { connection, producer };
}

/** The lines of CLIENT LIST, but for the test's own connection, once there are so many. */
async function clients(redis, count) {
  return until(async () => {
    const own = redis.client.address;
    const lines = (await redis.call('CLIENT', 'LIST')).trim().split('\n');
    const others = lines.filter((line) => !line.includes(` addr=${own} `));
    return others.length === count && others;
  });
}

/** Answers as a Redis that is ready, with `others` for commands that matter. */
function ready(others) {
  return (words, socket) => {
    if (words[0] === 'INFO') return bulk('redis_version:7.0.0\r\nloading:0\r\n');
    if (words[0] === 'CLIENT') return OK;
    return others(words, socket);
  };
}

ours('path is a unix socket, and takes precedence over host and port', async (_, scene) => {
  const file = path.join(os.tmpdir(), `hfxbus-${process.pid}.sock`);
  const redis = await scene.server('--unixsocket', file);
  await everything(scene, { path: file, host: 'nowhere.invalid', port: 1 });
  // Valkey has them in brackets.
  for (const line of await clients(redis, 3)) assert.match(line, new RegExp(`addr=\\[?${file}:0`));
  await everything(scene, { path: undefined, ...redis.options, url: `unix://${file}` });
  await clients(redis, 6);
});

ours('db, connectionName and username apply to every connection', async (_, scene) => {
  const redis = await scene.server('--user', ...'ann on >hers ~* &* +@all'.split(' '));
  await everything(scene, { ...redis.options, db: 3, connectionName: 'mine', username: 'ann', password: 'hers' });
  // A connection is there a moment before it has its name.
  const isNamed = (line) => / name=mine .* db=3 .* user=ann /.test(line);
  await until(async () => (await clients(redis, 3)).every(isNamed));
  await redis.call('SELECT', '3');
  assert.strictEqual(await redis.call('GET', keys.payload('job-1', 'a')), '1');
});

ours('a getClient() connection opens at once, or with lazyConnect at its first command', async (_, scene) => {
  const redis = await scene.server();
  const lazy = scene.connect({ ...redis.options, lazyConnect: true }).getClient('mine');
  await stays(() => lazy.status === 'wait', 30);
  await clients(redis, 0);
  scene.connect(redis.options).getClient('mine');
  await clients(redis, 1);
  assert.strictEqual(await lazy.call('ping'), 'PONG');
  await clients(redis, 2);
});

ours('commandTimeout ends a command without a reply, but not a read that waits for jobs', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect({ ...redis.options, commandTimeout: 80 });
  const ran = [];
  const consumer = await scene.play(async (job) => ran.push(job.id), { connection });
  const errors = scene.errors(consumer);
  await redis.call('CLIENT', 'PAUSE', '150', 'WRITE');
  const late = { code: 'COMMAND_TIMEOUT', command: 'SET' };
  await assert.rejects(scene.producer(connection).job().set('a', 1).push(), late);
  await redis.call('CLIENT', 'UNPAUSE');
  await scene.add('job-1', { redis });
  await until(() => ran.length === 1);
  assert.deepStrictEqual(errors, []);
});

ours('connectTimeout ends a connection attempt without an answer', async (_, scene) => {
  const fake = await FakeRedis.start(() => undefined);
  const options = { ...fake.options, connectTimeout: 40, retryStrategy: () => 1, maxRetriesPerRequest: 1 };
  const client = scene.connect(options).getClient('mine');
  const errors = scene.errors(client);
  await assert.rejects(client.call('ping'), { code: 'MAX_RETRIES' });
  fake.close();
  assert.ok(
    errors.some(({ code }) => code === 'ETIMEDOUT'),
    errors[0]?.message,
  );
  assert.ok(fake.connected.length >= 2);
});

// Other systems do not show the options of a socket.
if (process.platform === 'linux') {
  ours('keepAlive sets the time of the first probe', async (_, scene) => {
    const redis = await scene.server();
    for (const [keepAlive, timer] of [
      [undefined, '00'],
      [77000, '02'],
    ]) {
      const client = scene.connect({ ...redis.options, keepAlive }).getClient('mine');
      await client.call('ping');
      const { kind, hundredths } = timerOf(redis.port);
      assert.strictEqual(kind, timer);
      if (keepAlive) assert.ok(hundredths > 6500 && hundredths <= 7700, `${hundredths}`);
      await client.quit();
    }
  });
}

/** Returns the kernel timer of the one connection to a port: 00 none, 02 keep-alive probe; with its time. */
function timerOf(port) {
  const lines = fs.readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  const to = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const isOpen = ([, , remote, state]) => remote.endsWith(to) && state === '01';
  const timers = lines
    .map((line) => line.trim().split(/\s+/))
    .filter(isOpen)
    .map((fields) => fields[5].split(':'));
  // The test's own connection has none.
  const [kind, when] = timers.find(([timer]) => timer !== '00') ?? timers[0];
  return { kind, hundredths: parseInt(when, 16) };
}

ours('reconnectOnError is called for each error reply: 1 reconnects, 2 also repeats the command', async (_, scene) => {
  let asked = 0;
  const fake = await FakeRedis.start(
    ready(([command]) => {
      if (command !== 'SET') return OK;
      asked++;
      return asked === 1 ? ERROR('READONLY You cannot write against a read only replica.') : OK;
    }),
  );
  const seen = [];
  for (const verdict of [2, true]) {
    asked = 0;
    const reconnectOnError = (error) => {
      seen.push([error.name, error.code, error instanceof Error]);
      return error.code === 'READONLY' && verdict;
    };
    const job = scene.producer(scene.connect({ ...fake.options, reconnectOnError, retryStrategy: () => 1 })).job();
    const pushed = job.set('a', 1).push();
    if (verdict === 2) await pushed;
    else await assert.rejects(pushed, { code: 'READONLY' });
    await job.set('a', 1).push();
  }
  assert.strictEqual(fake.connected.length, 4);
  assert.deepStrictEqual(seen, Array(2).fill(['ReplyError', 'READONLY', true]));
  fake.close();
});

ours('a reconnectOnError or retryStrategy that throws counts as no, and stops nothing', async (_, scene) => {
  const mine = () => assert.fail('mine');
  const fake = await FakeRedis.start(ready(() => ERROR('ERR no')));
  const job = scene.producer(scene.connect({ ...fake.options, reconnectOnError: mine })).job();
  await assert.rejects(job.set('a', 1).push(), { code: 'ERR' });
  assert.strictEqual(fake.connected.length, 1);
  const { options } = fake;
  fake.close();
  const gone = scene.producer(scene.connect({ ...options, retryStrategy: mine })).job();
  await assert.rejects(gone.set('a', 1).push(), { code: 'CONNECTION_CLOSED' });
});

ours(
  'without autoResendUnfulfilledCommands a command without a reply fails with an error when the connection drops',
  async (_, scene) => {
    const fake = await FakeRedis.start(
      ready((_words, socket) => {
        socket.destroy();
      }),
    );
    const options = { ...fake.options, autoResendUnfulfilledCommands: false, retryStrategy: () => 1 };
    const job = scene.producer(scene.connect(options)).job();
    await assert.rejects(job.set('a', 1).push(), { code: 'CONNECTION_LOST', command: 'SET' });
    fake.close();
    assert.strictEqual(fake.commands.filter(([name]) => name === 'SET').length, 1);
  },
);

for (const autoResubscribe of [true, false]) {
  ours(`autoResubscribe ${autoResubscribe} decides about new subscriptions after a drop`, async (_, scene) => {
    const redis = await scene.server();
    const options = { ...redis.options, autoResubscribe, connectionName: 'mine', retryStrategy: () => 1 };
    await scene.producer(scene.connect(options)).listen('a');
    const monitor = await scene.monitor(redis);
    // A name is the last of a handshake; subscriptions leave right after. MONITOR of Redis 6.2 does not show it.
    await replaceSubscribers(redis, 'mine');
    const subscribed = async () => (await monitor.named('PSUBSCRIBE')).length;
    if (autoResubscribe) await until(async () => (await subscribed()) === 1);
    else await stays(async () => (await subscribed()) === 0, 60);
  });
}

ours('without enableReadyCheck no query precedes the first command', async (_, scene) => {
  const redis = await scene.server();
  const monitor = await scene.monitor(redis);
  await scene
    .producer(scene.connect({ ...redis.options, enableReadyCheck: false }))
    .job('j')
    .set('a', 1)
    .push();
  const names = (await monitor.commands()).map(([name]) => name);
  assert.deepStrictEqual(names, ['SET']);
});

ours(
  'options in the URL take precedence over the options beside it, and unknown keys are ignored',
  async (_, scene) => {
    const redis = await scene.server();
    const url = `redis://127.0.0.1:${redis.port}/5`;
    const given = { url, port: 1, db: 2, connectionName: 'mine', showFriendlyErrorStack: true, nonsense: {} };
    const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone(given));
    await scene.producer(connection).job('job-1').set('a', 1).push();
    const [line] = await clients(redis, 1);
    assert.match(line, / name=mine .* db=5 /);
  },
);
