'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { ERROR, FakeRedis, NIL, OK, bulk } = require('../support/fake-redis.js');
const { freePort } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');

/** Connects again quickly, for as long as the case takes. */
const QUICK = { retryStrategy: () => 10 };

/** Everything that a bus does first, each with what it comes to. */
function attempts(scene, connection) {
  const producer = scene.producer(connection);
  const consumer = scene.consumer({}, connection).process({ stream: scene.stream, processor: async () => {} });
  return {
    listen: () => producer.listen(scene.stream),
    send: () => producer.send({ stream: scene.stream, job: producer.job() }),
    play: () => consumer.play(),
  };
}

for (const [how, given] of Object.entries({ no: {}, 'a wrong': { password: 'not-the-one' } })) {
  keep(`B-118 with ${how} password listen, send and play reject with the error of Redis`, async (_, scene) => {
    const redis = await scene.server('--requirepass', 'the-right-one');
    const { listen, send, play } = attempts(scene, scene.connect({ ...redis.options, ...QUICK, ...given }));
    for (const attempt of [listen, send, play]) {
      await assert.rejects(attempt(), { name: 'ReplyError', message: /^(NOAUTH|WRONGPASS) / });
    }
  });
}

fix(
  'B-118 an error of Redis about a password has the code, the command and the node, but not the password',
  async (_, scene) => {
    const redis = await scene.server('--requirepass', 'the-right-one');
    const { send } = attempts(scene, scene.connect({ ...redis.options, password: 'not-the-one' }));
    const error = await send().catch((reason) => reason);
    const { code, command, node } = error;
    assert.deepStrictEqual([code, command, node], ['WRONGPASS', 'AUTH', `127.0.0.1:${redis.port}`]);
    assert.doesNotMatch(JSON.stringify(error) + require('node:util').inspect(error), /not-the-one/);
  },
);

keep('B-118 the right password is accepted, with or without a user name', async (_, scene) => {
  const redis = await scene.server(
    '--requirepass',
    'the-right-one',
    '--user',
    ...'ann on >hers ~* &* +@all'.split(' '),
  );
  for (const given of [{ password: 'the-right-one' }, { username: 'ann', password: 'hers' }]) {
    const { listen, send, play } = attempts(scene, scene.connect({ ...redis.options, ...QUICK, ...given }));
    await listen();
    await send();
    await play();
  }
});

keep('B-118 a missing right fails only that command, with the error of Redis', async (_, scene) => {
  const user = 'ann on >hers ~* resetchannels +@all -xadd'.split(' ');
  const redis = await scene.server('--user', ...user);
  const { listen, send, play } = attempts(
    scene,
    scene.connect({ ...redis.options, username: 'ann', password: 'hers' }),
  );
  await assert.rejects(listen(), { name: 'ReplyError', message: /^NOPERM / });
  await assert.rejects(send(), { name: 'ReplyError', message: /^NOPERM / });
  await play();
});

keep('B-119 on a replica send and play reject with READONLY, and listen works', async (_, scene) => {
  const redis = await scene.server('--replicaof', '127.0.0.1', String(await freePort()));
  const { listen, send, play } = attempts(scene, scene.connect(redis.options));
  await listen();
  await assert.rejects(send(), { name: 'ReplyError', message: /^READONLY / });
  await assert.rejects(play(), { name: 'ReplyError', message: /^READONLY / });
});

keep('B-119 a loading Redis is polled until it has loaded, and no command is sent before', async (_, scene) => {
  let asked = 0;
  const fake = await FakeRedis.start(([command]) => {
    if (command !== 'INFO') return command === 'XADD' ? bulk('1-0') : OK;
    asked++;
    return bulk(`redis_version:7.0.0\r\nloading:${asked < 3 ? 1 : 0}\r\nloading_eta_seconds:60\r\n`);
  });
  const connection = scene.connect({ ...fake.options, ...QUICK, maxLoadingRetryTime: 20 });
  await attempts(scene, connection).send();
  fake.close();
  const names = fake.commands.map(([name]) => name).filter((name) => name !== 'CLIENT' && name !== 'TIME');
  const before = names.slice(0, names.indexOf('XADD'));
  // 2.2.0 opens a second connection, which asks too. Version 3 also sends CLIENT SETINFO, CLIENT INFO and TIME.
  assert.ok(before.length >= 3 && before.every((name) => name === 'INFO'), `${names}`);
});

keep('B-119 a later LOADING is passed on', async (_, scene) => {
  const fake = await FakeRedis.start(([command]) => {
    if (command === 'INFO') return bulk('redis_version:7.0.0\r\nloading:0\r\n');
    return command === 'XADD' ? ERROR('LOADING Redis is loading the dataset in memory') : OK;
  });
  await assert.rejects(attempts(scene, scene.connect({ ...fake.options, ...QUICK })).send(), {
    name: 'ReplyError',
    message: 'LOADING Redis is loading the dataset in memory',
  });
  fake.close();
});

fix('B-020 push and pull reject while Redis loads its data', async (_, scene) => {
  const fake = await FakeRedis.start(([command]) => {
    if (command === 'INFO') return bulk('redis_version:7.0.0\r\nloading:0\r\n');
    return ERROR('LOADING Redis is loading the dataset in memory');
  });
  const job = scene.producer(scene.connect({ ...fake.options, ...QUICK })).job();
  await assert.rejects(job.set('a', 1).push(), { code: 'LOADING', command: 'SET' });
  await assert.rejects(job.get('a').pull(), { code: 'LOADING', command: 'GET' });
  fake.close();
});

fix(
  'B-076 a read error of any kind is reported once, and the reads are repeated with growing delays',
  async (_, scene) => {
    let reads = 0;
    const fake = await FakeRedis.start(([command]) => {
      if (command === 'INFO') return bulk('redis_version:7.0.0\r\nloading:0\r\n');
      if (command !== 'XREADGROUP') return command === 'XREVRANGE' ? NIL : OK;
      reads++;
      return ERROR(reads < 4 ? 'ERR something is wrong' : 'WRONGTYPE Operation against a key');
    });
    const consumer = await scene.play(async () => {}, { connection: scene.connect({ ...fake.options, ...QUICK }) });
    const errors = scene.errors(consumer);
    await until(() => reads >= 5);
    fake.close();
    const codes = errors
      .filter(({ name }) => name === 'ReplyError')
      .map(({ code, message }) => [code, message.split(' ')[0]]);
    assert.deepStrictEqual(codes, [
      ['CONSUME_ERROR', 'ERR'],
      ['CONSUME_ERROR', 'WRONGTYPE'],
    ]);
  },
);
