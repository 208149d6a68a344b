'use strict';

/* Sends with a delay. */

const assert = require('node:assert');
const { setTimeout: sleep } = require('node:timers/promises');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { Monitor } = require('../support/monitor.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');

const times = (stream) => `hfxbus:delayed:{hfxbus:str:${stream}}:${stream}:times`;
const sends = (stream) => `hfxbus:delayed:{hfxbus:str:${stream}}:${stream}:sends`;

/** Refusals of a command within a script, which versions of Redis word in three ways. */
const DENIED = /NOPERM|no permissions|can't run this command/;

/** The ids of the jobs in a stream. */
async function jobsIn(scene, redis = scene.redis) {
  const entries = await redis.call('XRANGE', keys.stream(scene.stream), '-', '+');
  return entries.map(([, fields]) => fields[fields.indexOf('job') + 1]);
}

/** Asserts that nothing of the delayed sends is left in Redis. */
async function nothingLeft(scene, redis = scene.redis) {
  const { stream } = scene;
  await until(async () => (await redis.call('EXISTS', times(stream), sends(stream))) === 0);
}

ours('a delayed job is added when it is due, in the order of the times', async (_, scene) => {
  const { stream } = scene;
  const producer = scene.producer();
  const begun = Date.now();
  await producer.send({ stream, job: producer.job('late'), delay: 600 });
  await producer.send({ stream, job: producer.job('early'), at: new Date(Date.now() + 200) });
  const sent = await producer.send({ stream, job: producer.job('now'), delay: 0 });
  await producer.send({ stream, job: producer.job('past'), at: Date.now() - 10_000 });
  assert.deepStrictEqual([sent.duplicate, sent.entryId], [undefined, undefined]);
  assert.deepStrictEqual(await jobsIn(scene), ['now', 'past']);
  await until(async () => (await jobsIn(scene)).length === 4);
  assert.deepStrictEqual(await jobsIn(scene), ['now', 'past', 'early', 'late']);
  const [[first], [, fields]] = (await scene.redis.call('XRANGE', keys.stream(stream), '-', '+')).slice(2);
  assert.ok(Number.parseInt(first, 10) >= begun + 200, 'not before its time');
  assert.deepStrictEqual(fields, ['prd', producer.id, 'job', 'late']);
  await nothingLeft(scene);
});

ours('a delayed job brings its payload and finishes as any other', async (_, scene) => {
  const { stream, group } = scene;
  const processor = async (job) => {
    const { small, large } = await job.get('small', false).get('large', false).pull();
    job.set('answer', `${small} ${large.length}`);
  };
  await scene.play(processor);
  const producer = scene.producer();
  for (const payload of ['keys', 'entry']) {
    const job = producer.job().set('small', 'one').set('large', 'x'.repeat(5000));
    const options = { stream, job, delay: 100, payload, capped: 100, waitFor: [group], returns: ['answer'] };
    const sent = await producer.send(options);
    assert.deepStrictEqual([sent.duplicate, sent.entryId], [false, undefined]);
    assert.ok((await sent.finished(10_000))[group] instanceof Date);
    assert.deepStrictEqual(await sent.get('answer', false).pull(), { answer: 'one 5000' });
  }
  await nothingLeft(scene);
});

ours('a delayed job can be cancelled by its id or that of the job, with its payload keys', async (_, scene) => {
  const { stream, redis } = scene;
  const producer = scene.producer();
  await producer.send({ stream, job: producer.job('a').set('k', 1), delay: 60_000 });
  await producer.send({ stream, job: producer.job('b').set('k', 1), delay: 60_000, id: 'named' });
  const other = scene.producer(scene.connect());
  assert.strictEqual(await redis.call('EXISTS', keys.payload('a', 'k'), keys.payload('b', 'k')), 2);
  assert.strictEqual(await other.cancel({ stream, id: 'b' }), false);
  assert.deepStrictEqual(
    [await other.cancel({ stream, id: 'a' }), await other.cancel({ stream, id: 'named' })],
    [true, true],
  );
  assert.strictEqual(await other.cancel({ stream, id: 'a' }), false);
  assert.strictEqual(await redis.call('EXISTS', keys.payload('a', 'k'), keys.payload('b', 'k')), 0);
  await nothingLeft(scene);
  assert.strictEqual(await redis.call('EXISTS', keys.stream(stream)), 0);
});

ours('a delayed job with an id is there once, before and after it is due', async (_, scene) => {
  const { stream } = scene;
  const [one, other] = [scene.producer(), scene.producer(scene.connect())];
  const send = (producer, delay) => producer.send({ stream, job: producer.job(), id: 'a', delay });
  const first = await send(one, 300);
  const before = await send(other, 10);
  assert.deepStrictEqual([before.duplicate, before.id, before.entryId], [true, first.id, undefined]);
  await until(async () => (await jobsIn(scene)).length === 1);
  for (const delay of [0, 10]) {
    const after = await send(other, delay);
    const [[entry]] = await scene.redis.call('XRANGE', keys.stream(stream), '-', '+');
    assert.deepStrictEqual([after.duplicate, after.id, after.entryId], [true, first.id, entry]);
  }
  assert.deepStrictEqual(await jobsIn(scene), [first.id]);
});

ours('an immediate send of an id that is delayed is a duplicate, and the delayed one finishes', async (_, scene) => {
  const { stream, group, redis } = scene;
  await scene.play(async () => {});
  const [one, other] = [scene.producer(), scene.producer(scene.connect())];
  const delayed = one.job('delayed').set('k', 1);
  await one.send({ stream, job: delayed, id: 'b', delay: 400, waitFor: [group] });
  const plain = await other.send({ stream, job: other.job('plain').set('k', 2), id: 'b' });
  assert.deepStrictEqual([plain.duplicate, plain.id, plain.entryId], [true, 'delayed', undefined]);
  // The id without the send counts too, whose job is its id.
  await one.send({ stream, job: one.job('alone'), delay: 400 });
  assert.strictEqual((await other.send({ stream, job: other.job(), id: 'alone' })).duplicate, true);
  assert.ok((await delayed.finished(10_000))[group] instanceof Date);
  await nothingLeft(scene);
  assert.deepStrictEqual(await jobsIn(scene), ['delayed', 'alone']);
  assert.strictEqual(await redis.call('EXISTS', keys.payload('plain', 'k')), 0);
});

for (const [name, idOf] of Object.entries({
  'with an id': (job) => ({ id: `id of ${job}` }),
  'without an id': () => ({}),
})) {
  ours(`the duplicate of a delayed job ${name} waits for the completion of the first`, async (_, scene) => {
    const { stream, group } = scene;
    const answers = [];
    await scene.play(async (job) => {
      answers.push(job.id);
      if (job.id === 'fails') throw new Error('no');
    });
    const [one, other] = [scene.producer(), scene.producer(scene.connect())];
    for (const job of ['runs', 'fails']) {
      const waiting = { stream, delay: 300, ...idOf(job), waitFor: [group], durable: true };
      await one.send({ ...waiting, job: one.job(job) });
      const again = await other.send({ ...waiting, job: other.job(job) });
      assert.deepStrictEqual([again.duplicate, again.entryId], [true, undefined]);
      const { [group]: outcome } = await again.finished(20_000);
      if (job === 'runs') assert.ok(outcome instanceof Date);
      else assert.strictEqual(outcome.message, 'no');
    }
    assert.deepStrictEqual(answers, ['runs', 'fails']);
  });
}

ours('the duplicate of a delayed job that is cancelled does not wait for ever', async (_, scene) => {
  const { stream, group } = scene;
  await scene.play(async () => {});
  const [one, other] = [scene.producer(), scene.producer(scene.connect())];
  const send = (producer) => producer.send({ stream, job: producer.job(), id: 'x', delay: 60_000, waitFor: [group] });
  await send(one);
  const again = await send(other);
  assert.strictEqual(await one.cancel({ stream, id: 'x' }), true);
  const { [group]: outcome } = await again.finished(20_000);
  assert.strictEqual(outcome.code, 'OUTCOME_UNKNOWN');
});

ours('a completion of a delayed job that its producer missed is looked up', async (_, scene) => {
  const { stream, group } = scene;
  const proxy = await TcpProxy.to(scene.redis.port);
  scene.closing(() => proxy.close());
  const producer = scene.producer(scene.connect({ ...proxy.options, retryStrategy: () => 50 }));
  const job = producer.job('missed');
  await producer.send({ stream, job, delay: 200, waitFor: [group] });
  proxy.refuse();
  proxy.cut();
  const ran = [];
  await scene.play(async ({ id }) => ran.push(id), { connection: scene.connect() });
  await until(() => ran.length === 1, { timeout: 20_000 });
  await until(async () => (await scene.redis.call('XPENDING', keys.stream(stream), keys.group(group)))[0] === 0);
  proxy.refuse(false);
  assert.deepStrictEqual(Object.keys(await job.finished(20_000)), [group]);
});

ours('a producer reports once that its delayed sends cannot be added, and adds them later', async (_, scene) => {
  const { stream, redis } = scene;
  const errors = [];
  const producer = scene.producer();
  producer.on('error', ({ name, code, command }) => errors.push([name, code, command]));
  const monitor = await Monitor.on(redis);
  scene.closing(() => monitor.close());
  await redis.call('SET', keys.stream(stream), 'no stream');
  for (const id of ['a', 'b']) await producer.send({ stream, job: producer.job(id), delay: 50 });
  const attempts = async () => (await monitor.scripts()).filter(({ used }) => used.some(([name]) => name === 'XADD'));
  await until(async () => (await attempts()).length >= 4);
  assert.deepStrictEqual(errors, [['ReplyError', 'WRONGTYPE', 'EVAL']]);
  await redis.call('DEL', keys.stream(stream));
  await nothingLeft(scene);
  assert.deepStrictEqual((await jobsIn(scene)).sort(), ['a', 'b']);
  assert.strictEqual(errors.length, 1);
});

ours('a consumer without a right to delayed sends reports it once, and adds them once it has it', async (_, scene) => {
  const { stream, redis } = scene;
  const username = scene.name('user');
  await redis.call('ACL', 'SETUSER', username, 'on', '>secret', '~*', '&*', '+@all', '-hdel');
  const sender = scene.producer();
  await sender.send({ stream, job: sender.job('a'), delay: 60_000 });
  await redis.call('ZADD', times(stream), 1, 'a');
  const errors = [];
  const ran = [];
  const consumer = scene.consumer({}, scene.connect({ username, password: 'secret' }));
  consumer.on('error', (error) => errors.push(error));
  consumer.process({ stream, processor: async (job) => ran.push(job.id) });
  await consumer.play();
  await until(() => errors.length > 0);
  assert.deepStrictEqual([errors[0].code, errors[0].command], ['CONSUME_ERROR', 'EVAL']);
  assert.match(errors[0].message, DENIED);
  await redis.call('ACL', 'SETUSER', username, '+hdel');
  await until(() => ran.length === 1, { timeout: 20_000 });
  assert.deepStrictEqual([errors.length, ran], [1, ['a']]);
});

ours('each script names all keys that it uses', async (_, scene) => {
  const { stream, redis } = scene;
  const monitor = await Monitor.on(redis);
  scene.closing(() => monitor.close());
  const producer = scene.producer();
  const send = (id, options) => producer.send({ stream, job: producer.job(id).set('k', 1), ...options });
  await send('now', { id: 'now' });
  await send('due', { delay: 50 });
  await send('named', { delay: 50, id: 'x' });
  await send('never', { delay: 60_000 });
  assert.strictEqual(await producer.cancel({ stream, id: 'never' }), true);
  await nothingLeft(scene);
  const scripts = (await monitor.scripts()).filter(({ keys }) => keys.some((key) => key.includes(stream)));
  assert.ok(scripts.length >= 6, `${scripts.length}`);
  for (const { keys, used } of scripts) {
    for (const [name, key] of used.filter(([name]) => name !== 'TIME')) {
      assert.ok(keys.includes(key), `${name} ${key} is not among ${keys}`);
    }
  }
});

ours('the look for delayed sends is no failed command for Redis', async (_, scene) => {
  const server = await scene.server();
  const connection = scene.connect(server.options);
  const producer = scene.producer(connection);
  await producer.send({ stream: scene.stream, job: producer.job('a'), delay: 60_000 });
  const monitor = await Monitor.on(server);
  scene.closing(() => monitor.close());
  await scene.play(async () => {}, { connection: scene.connect(server.options) });
  await until(async () => (await monitor.probes()).length > 0);
  assert.doesNotMatch(await server.call('INFO', 'errorstats'), /WRONGTYPE/);
});

ours('a job without an id can be delayed again once it is due', async (_, scene) => {
  const { stream } = scene;
  const producer = scene.producer();
  for (const count of [1, 2]) {
    const { duplicate } = await producer.send({ stream, job: producer.job('again'), delay: 50 });
    assert.strictEqual(duplicate, false);
    await until(async () => (await jobsIn(scene)).length === count);
  }
});

ours('a consumer adds the delayed jobs of a process that was killed, also late ones at once', async (_, scene) => {
  const { stream, redis } = scene;
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      const producer = new hfxbus.Producer(hfxbus.ConnectionManager.standalone(options));
      const one = (at) => ({ stream: data, job: producer.job(`job-${at}`), delay: 300 });
      await producer.sendAll(Array.from({ length: 300 }, (_, at) => one(at)));
      print('sent');
      setInterval(() => {}, 1000);
    },
    { data: stream },
  );
  await until(() => child.printed.length > 0);
  child.kill();
  assert.strictEqual(await redis.call('ZCARD', times(stream)), 300);
  await until(async () => {
    const [seconds] = await redis.call('TIME');
    return (await redis.call('ZCOUNT', times(stream), '-inf', `${seconds}000`)) === 300;
  });
  const ran = new Set();
  await scene.play(async (job) => ran.add(job.id), { concurrency: 50 });
  await until(() => ran.size === 300, { timeout: 15_000 });
  assert.strictEqual(await scene.length(), 300);
  await nothingLeft(scene);
});

ours('several processes that watch a stream add each delayed job once', async (_, scene) => {
  const { stream } = scene;
  const producers = Array.from({ length: 4 }, () => scene.producer(scene.connect()));
  const ran = [];
  await scene.play(async (job) => ran.push(job.id), { concurrency: 100, connection: scene.connect() });
  const sending = producers.map((producer, of) =>
    producer.sendAll(
      Array.from({ length: 500 }, (_, at) => ({ stream, job: producer.job(`${of}-${at}`), delay: 200 + (at % 300) })),
    ),
  );
  await Promise.all(sending);
  await until(() => ran.length === 2000, { timeout: 15_000 });
  assert.deepStrictEqual([new Set(ran).size, await scene.length()], [2000, 2000]);
  await nothingLeft(scene);
});

ours(
  'a delayed send that was executed and cut before its reply is there once, also if it is due before',
  async (_, scene) => {
    const { stream } = scene;
    const proxy = await TcpProxy.to(scene.redis.port);
    scene.closing(() => proxy.close());
    const producer = scene.producer(scene.connect({ ...proxy.options, retryStrategy: () => 20 }));
    await producer.send({ stream, job: producer.job('first') });
    await scene.play(async () => {});
    proxy.muteAt('EVAL');
    const sending = producer.send({ stream, job: producer.job('second'), delay: 100 });
    const other = scene.producer(scene.connect());
    await other.send({ stream, job: other.job('third'), delay: 100 });
    await until(async () => (await jobsIn(scene)).length === 3);
    proxy.muteAt(null);
    proxy.cut();
    assert.strictEqual((await sending).duplicate, false);
    await nothingLeft(scene);
    assert.deepStrictEqual((await jobsIn(scene)).sort(), ['first', 'second', 'third']);
  },
);

ours('delayed jobs survive a restart of Redis with an append-only file', async (_, scene) => {
  const { stream } = scene;
  const server = await scene.server('--appendonly', 'yes', '--appendfsync', 'always');
  const producer = scene.producer(scene.connect({ ...server.options, retryStrategy: () => 50 }));
  producer.connection.on('error', () => {});
  await producer.sendAll(
    Array.from({ length: 100 }, (_, at) => ({ stream, job: producer.job(`job-${at}`), delay: 300 + at * 5 })),
  );
  await until(async () => (await jobsIn(scene, server)).length > 0);
  server.crash();
  await server.start();
  await until(
    () =>
      jobsIn(scene, server).then(
        ({ length }) => length >= 100,
        () => false,
      ),
    { timeout: 15_000 },
  );
  await nothingLeft(scene, server);
  assert.strictEqual((await jobsIn(scene, server)).length, 100);
});

ours('a consumer of 2.2.0 runs a delayed job', async (_, scene) => {
  const { stream, group } = scene;
  const ran = [];
  await scene.playOriginal(async (job) => ran.push((await job.get('n', false).pull()).n));
  const producer = scene.producer();
  const job = producer.job().set('n', 7);
  await producer.send({ stream, job, delay: 100, waitFor: [group] });
  assert.ok((await job.finished(10_000))[group] instanceof Date);
  assert.deepStrictEqual(ran, [7]);
});

ours('delayed jobs work on a Cluster and on several nodes', async (_, scene) => {
  for (const connection of [scene.connectCluster(await scene.cluster()), scene.partition(await scene.nodes())]) {
    const producer = scene.producer(connection);
    for (const stream of [scene.name('stream'), `{tag}${scene.name('stream')}`]) {
      const ran = [];
      await scene.play(async (job) => ran.push(await job.get('n', false).pull()), {
        connection,
        stream,
        route: stream,
      });
      const job = producer.job().set('n', 1);
      await producer.send({ stream, route: stream, job, delay: 100, payload: 'entry' });
      await producer.send({ stream, route: stream, job: producer.job(), delay: 60_000, id: 'x' });
      await until(() => ran.length === 1);
      assert.deepStrictEqual(ran, [{ n: 1 }]);
      assert.strictEqual(await producer.cancel({ stream, route: stream, id: 'x' }), true);
    }
  }
});

for (const right of ['del', 'psetex', 'xadd', 'hdel', 'zrem', 'zadd', 'hset']) {
  ours(`without the right to ${right} no delayed job is lost or added twice`, async (_, scene) => {
    const { stream, redis } = scene;
    const username = scene.name('user');
    await redis.call('ACL', 'SETUSER', username, 'on', '>secret', '~*', '&*', '+@all', `-${right}`);
    const producer = scene.producer(scene.connect({ username, password: 'secret' }));
    const isSender = ['zadd', 'hset'].includes(right);
    const sending = producer.send({ stream, job: producer.job('a'), delay: 20 });
    if (isSender) await assert.rejects(sending, { name: 'ReplyError', message: DENIED });
    else await sending;
    await sleep(100);
    assert.deepStrictEqual([await jobsIn(scene), await redis.call('ZCARD', times(stream))], [[], isSender ? 0 : 1]);
    await scene.play(async () => {});
    await nothingLeft(scene);
    assert.deepStrictEqual(await jobsIn(scene), isSender ? [] : ['a']);
  });
}

ours('a stopped bus does not try its refused delayed sends again', async (_, scene) => {
  const username = scene.name('user');
  await scene.redis.call('ACL', 'SETUSER', username, 'on', '>secret', '~*', '&*', '+@all', '-zrem');
  const connection = scene.connect({ username, password: 'secret' });
  const producer = scene.producer(connection);
  const errors = scene.errors(producer);
  await producer.send({ stream: scene.stream, job: producer.job(), delay: 1 });
  await until(() => errors.length > 0);
  await connection.stop();
  // The next try would be five seconds after the last one.
  const end = performance.now() + 5500;
  while (performance.now() < end) {
    assert.doesNotMatch(await scene.redis.call('CLIENT', 'LIST'), new RegExp(`user=${username} `));
    await sleep(100);
  }
});

ours('a bad delay is refused before anything is sent', async (_, scene) => {
  const { stream } = scene;
  const producer = scene.producer();
  const refused = [
    [{ delay: -1 }, 'RangeError', 'delay must be a whole number from 0 to 31536000000'],
    [{ delay: Infinity }, 'RangeError', 'delay must be a whole number from 0 to 31536000000'],
    [{ delay: {} }, 'TypeError', 'delay must be a number'],
    [{ at: 'soon' }, 'TypeError', 'at must be a Date or a number of milliseconds'],
    [{ at: new Date('never') }, 'RangeError', 'at must be a time within 31536000000 ms from now'],
    [{ at: Infinity }, 'RangeError', 'at must be a time within 31536000000 ms from now'],
    [{ at: new Date(), delay: 1 }, 'TypeError', 'delay and at cannot be combined'],
  ];
  for (const [options, name, message] of refused) {
    await assert.rejects(producer.send({ stream, job: producer.job(), ...options }), { name, message });
  }
  for (const id of [undefined, '', 1]) {
    await assert.rejects(producer.cancel({ stream, id }), { message: 'id must be a string that is not empty' });
  }
  await assert.rejects(producer.cancel(), { message: 'stream must be a string' });
  assert.strictEqual(await scene.redis.call('EXISTS', times(stream), keys.stream(stream)), 0);
});
