'use strict';

const assert = require('node:assert');
const { setTimeout: sleep } = require('node:timers/promises');
const { ours } = require('../support/cases.js');
const { ERROR, OK, reply } = require('../support/fake-redis.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { RawClient } = require('../support/raw-client.js');
const { stays, until } = require('../support/wait-until.js');

/* Settlements that Redis refuses for a while. */

/** The longest back-off, and some time for a machine that does other things too. */
const RECOVERY = { timeout: 10000 };
/** For how long a refusal lasts, in ms: some back-offs. */
const WHILE = 500;

/** A promise that can be looked at. */
function watch(promise) {
  const watched = { isOver: false, promise };
  const over = () => {
    watched.isOver = true;
  };
  promise.then(over, over);
  return watched;
}

/** Starts a job on a server of its own that runs until `end()`, with an error or without. */
async function running(scene, { args = [], consumer: options, send } = {}) {
  const redis = await scene.server(...args);
  const connection = scene.connect({ ...redis.options, retryStrategy: () => 50 });
  const [ending, begun] = [new Gate(), new Gate()];
  const on = { redis, connection, runs: 0, drained: 0 };
  on.consumer = await scene.play(
    async (job) => {
      on.runs++;
      begun.open();
      const error = await ending.opened;
      on.settled = watch(error ? job.reject(error) : job.resolve());
    },
    { connection, blockTimeout: 100, claimInterval: 50, claimDeadline: 60000, ...options },
  );
  on.consumer.on('drained', () => on.drained++);
  on.errors = scene.errors(on.consumer);
  on.producer = scene.producer(connection);
  on.job = await on.producer.send({
    stream: scene.stream,
    job: on.producer.job('job'),
    waitFor: [scene.group],
    ...send,
  });
  await begun.opened;
  on.end = async (error) => {
    ending.open(error);
    await until(() => on.settled);
  };
  on.complaints = () => on.errors.filter(({ code }) => code === 'REJECT_JOB_ERROR');
  return on;
}

for (const { name, args, provoke, heal } of [
  {
    name: 'READONLY',
    provoke: (redis) => redis.call('REPLICAOF', '127.0.0.1', '1'),
    heal: (redis) => redis.call('REPLICAOF', 'NO', 'ONE'),
  },
  {
    name: 'MASTERDOWN',
    args: ['--replica-serve-stale-data', 'no', '--replica-read-only', 'no'],
    provoke: (redis) => redis.call('REPLICAOF', '127.0.0.1', '1'),
    heal: (redis) => redis.call('REPLICAOF', 'NO', 'ONE'),
  },
  {
    name: 'BUSY',
    args: ['--lua-time-limit', '20'],
    provoke: async (redis, scene) => {
      const client = new RawClient(redis.port);
      scene.closing(() => client.close());
      client.call('EVAL', 'while true do end', 0).catch(() => {});
      await until(async () => (await redis.call('PING').catch(({ message }) => message)).startsWith('BUSY'));
    },
    heal: (redis) => redis.call('SCRIPT', 'KILL'),
  },
  {
    name: 'NOREPLICAS',
    provoke: (redis) => redis.call('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    heal: (redis) => redis.call('CONFIG', 'SET', 'min-replicas-to-write', '0'),
  },
]) {
  ours(`a job that ends while Redis is ${name} is acknowledged afterwards, and runs once`, async (_, scene) => {
    const on = await running(scene, { args });
    await provoke(on.redis, scene);
    await on.end();
    await stays(() => !on.settled.isOver && on.drained === 0, WHILE);
    const paused = watch(on.consumer.pause());
    await stays(() => !paused.isOver, 50);
    await heal(on.redis);
    await on.settled.promise;
    await paused.promise;
    assert.strictEqual(await scene.pending({ redis: on.redis }), 0);
    assert.deepStrictEqual([on.runs, on.drained, on.complaints()], [1, 1, []]);
    const { [scene.group]: completion } = await on.job.finished();
    assert.ok(completion instanceof Date);
  });
}

ours('the failure of a durable job is recorded when Redis has memory again', async (_, scene) => {
  const on = await running(scene, { send: { durable: true } });
  await on.redis.call('CONFIG', 'SET', 'maxmemory', '1');
  await on.end(new Error('no'));
  await stays(() => !on.settled.isOver, WHILE);
  await on.redis.call('CONFIG', 'SET', 'maxmemory', '0');
  await on.settled.promise;
  const [record] = await on.redis.call('KEYS', 'hfxbus:rec:*');
  assert.match(await on.redis.call('GET', record), /"message":"no"/);
  assert.deepStrictEqual([on.runs, on.complaints()], [1, []]);
});

ours('a rejected job whose delay Redis refused at first is due at the right time', async (_, scene) => {
  const delay = 2000;
  const on = await running(scene, { consumer: { backoff: { type: 'fixed', delay }, claimDeadline: 60000 } });
  await on.redis.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
  const rejected = performance.now();
  await on.end(new Error('no'));
  await sleep(WHILE);
  await on.redis.call('CONFIG', 'SET', 'min-replicas-to-write', '0');
  await on.settled.promise;
  await until(() => on.runs === 2, RECOVERY);
  const after = performance.now() - rejected;
  assert.ok(after > delay - 50 && after < delay + 5000, `${after} ms`);
});

ours('an exhausted entry is dead-lettered later if Redis refuses writes at first', async (_, scene) => {
  const deadLetter = scene.name('dead');
  const on = await running(scene, { consumer: { deadLetter, retryLimit: 1, claimInterval: 0 } });
  const exhausted = new Promise((resolve) => on.consumer.on('exhausted', resolve));
  await on.redis.call('CONFIG', 'SET', 'maxmemory', '1');
  await on.end(new Error('no'));
  const paused = watch(on.consumer.pause());
  await stays(() => !paused.isOver, WHILE);
  await on.redis.call('CONFIG', 'SET', 'maxmemory', '0');
  assert.strictEqual((await exhausted).moved, true);
  await paused.promise;
  assert.strictEqual(await scene.length(deadLetter, on.redis), 1);
  assert.strictEqual(await scene.pending({ redis: on.redis }), 0);
  assert.deepStrictEqual(on.errors, []);
});

ours('stop() waits for refused settlements for its maxWait, and then rejects them', async (_, scene) => {
  const on = await running(scene);
  await on.redis.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
  await on.end();
  const stopped = watch(on.connection.stop({ maxWait: WHILE }));
  await stays(() => !stopped.isOver && !on.settled.isOver, WHILE / 2);
  await stopped.promise;
  await assert.rejects(on.settled.promise, { code: 'NOREPLICAS', command: 'XACK' });
  assert.strictEqual(await scene.pending({ redis: on.redis }), 1);
});

ours('a forced stop does not wait for refused settlements', async (_, scene) => {
  const on = await running(scene);
  await on.redis.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
  await on.end();
  await sleep(WHILE / 5);
  await on.connection.stop({ force: true });
  await assert.rejects(on.settled.promise, { code: 'NOREPLICAS' });
});

/** Starts a server with endless jobs and a given reply to XACK. */
async function endless(scene, acknowledge) {
  let entry = 0;
  const answers = {
    INFO: () => reply('loading:0\r\n'),
    XREVRANGE: () => reply([]),
    XREADGROUP: ([, , , , count]) => {
      const entries = Array.from({ length: Number(count) }, () => {
        const id = `${++entry}-1`;
        return [id, ['prd', 'nobody', 'job', `job-${entry}`]];
      });
      return reply([[keys.stream(scene.stream), entries]]);
    },
    XACK: acknowledge,
    PUBLISH: () => reply(0),
  };
  return scene.fake(([name, ...words], socket) => (answers[name] ?? (() => OK))(words, socket));
}

for (const refusal of ['LOADING no', 'CLUSTERDOWN no', 'TRYAGAIN no', 'OOM no', 'MISCONF no']) {
  const [word] = refusal.split(' ');
  ours(`a settlement refused with ${word} is retried with growing delays, without other delays`, async (_, scene) => {
    const refused = [];
    let isRefusing = true;
    const redis = await endless(scene, ([, , ...ids]) => {
      if (!ids.includes('1-1')) return reply(ids.length);
      refused.push(performance.now());
      return isRefusing ? ERROR(refusal) : reply(ids.length);
    });
    const connection = scene.connect(redis.options);
    let settled;
    let runs = 0;
    const processor = async (job) => {
      runs++;
      if (job.id !== 'job-1') await sleep(5);
      else settled = watch(job.resolve());
    };
    const consumer = await scene.play(processor, { connection });
    const errors = scene.errors(consumer);
    await until(() => refused.length === 4, RECOVERY);
    const [first, second, third] = refused.slice(1).map((at, index) => at - refused[index]);
    // 50, 100 and 200 ms, less up to a quarter.
    assert.ok(first >= 37 && second >= 74 && third >= 149, `${first}, ${second}, ${third}`);
    const before = runs;
    assert.ok(before > 10, `${before} runs`);
    assert.strictEqual(settled.isOver, false);
    isRefusing = false;
    await settled.promise;
    await until(() => runs > before + 10);
    assert.deepStrictEqual(errors, []);
    const told = redis.commands.filter(([name, , message]) => name === 'PUBLISH' && message.includes('"job-1"'));
    assert.strictEqual(told.length, 1);
  });
}

ours('a settlement that Redis refuses permanently is not retried', async (_, scene) => {
  const redis = await endless(scene, () => ERROR('NOPERM no'));
  let settled;
  await scene.play(
    async (job) => {
      settled ??= watch(job.resolve());
      await sleep(5);
    },
    { connection: scene.connect(redis.options) },
  );
  await until(() => settled);
  await assert.rejects(settled.promise, { code: 'NOPERM' });
  const told = () => redis.commands.filter(([name, ...words]) => name === 'XACK' && words.includes('1-1')).length;
  await stays(() => told() === 1, 200);
});
