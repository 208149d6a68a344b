'use strict';

const assert = require('node:assert');
const { setTimeout: sleep } = require('node:timers/promises');
const { ours } = require('../support/cases.js');
const { ERROR, FakeRedis, NIL, OK } = require('../support/fake-redis.js');
const { keys } = require('../support/keys.js');
const { RawClient } = require('../support/raw-client.js');
const { until } = require('../support/wait-until.js');

/** For how long a refusal is looked at, in ms. */
const WHILE = 1000;
/** Maximum CPU time of a waiting bus, in µs: a twentieth of the time, including this process. */
const MOST_CPU = (WHILE * 1000) / 20;
/** The longest back-off, and some time for a machine that does other things too. */
const RECOVERY = 10000;

/** A playing consumer on a server of its own, and a producer; `errors` are the consumer's. */
async function stage(scene, { args = [], ...options } = {}) {
  const redis = await scene.server(...args);
  const connection = scene.connect({ ...redis.options, retryStrategy: () => 50, ...options });
  const seen = new Set();
  const consumer = await scene.play(async (job) => seen.add(job.id), { connection, blockTimeout: 100 });
  const producer = scene.producer(connection);
  const send = (id) => producer.send({ stream: scene.stream, job: producer.job(id) });
  await send('first');
  await until(async () => seen.has('first') && (await scene.pending({ redis })) === 0);
  return { redis, seen, send, errors: scene.errors(consumer), consumer };
}

/** Redis' own word within what an event says. */
const word = ({ message }) => message.split(' ')[0];

/** The CPU time of this process in a while, in µs. */
async function usedCpu() {
  const before = process.cpuUsage();
  await sleep(WHILE);
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** Waits for the first event, then sees that no other follows and that nothing is busy. */
async function staysQuiet(errors, expected) {
  await until(() => errors.length > 0);
  let used = await usedCpu();
  assert.deepStrictEqual(errors.map(word), expected);
  // Each measurement has what a busy machine adds.
  for (let left = 2; used >= MOST_CPU && left > 0; left--) used = Math.min(used, await usedCpu());
  assert.ok(used < MOST_CPU, `${used} µs of a processor in ${WHILE} ms`);
}

async function goesOn({ seen, send }) {
  await until(() => send('later').then(Boolean, () => false), { timeout: RECOVERY });
  await until(() => seen.has('later'), { timeout: RECOVERY });
}

for (const { name, args, provoke, heal, expected } of [
  {
    name: 'WRONGTYPE',
    // In one step: a read may come across what is between two.
    provoke: (redis, stream) => redis.call('SET', stream, 'text'),
    heal: (redis, stream) => redis.call('DEL', stream),
    expected: ['WRONGTYPE'],
  },
  {
    name: 'READONLY',
    provoke: (redis) => redis.call('REPLICAOF', '127.0.0.1', '1'),
    heal: (redis) => redis.call('REPLICAOF', 'NO', 'ONE'),
    expected: ['READONLY'],
  },
  {
    name: 'MASTERDOWN',
    args: ['--replica-serve-stale-data', 'no', '--replica-read-only', 'no'],
    provoke: (redis) => redis.call('REPLICAOF', '127.0.0.1', '1'),
    heal: (redis) => redis.call('REPLICAOF', 'NO', 'ONE'),
    expected: ['MASTERDOWN'],
  },
  {
    name: 'NOPERM',
    provoke: (redis) => redis.call('ACL', 'SETUSER', 'default', '-xreadgroup'),
    heal: (redis) => redis.call('ACL', 'SETUSER', 'default', '+xreadgroup'),
    expected: ['NOPERM'],
  },
  {
    name: 'max clients',
    provoke: async (redis) => {
      await redis.call('CONFIG', 'SET', 'maxclients', '1');
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    },
    heal: (redis) => redis.call('CONFIG', 'SET', 'maxclients', '1000'),
    // The read that was under way.
    expected: ['Connection'],
  },
]) {
  ours(`${name} is reported once, causes no load while it lasts, and ends without traces`, async (_, scene) => {
    const on = await stage(scene, { args });
    await provoke(on.redis, keys.stream(scene.stream));
    await staysQuiet(on.errors, expected);
    await heal(on.redis, keys.stream(scene.stream));
    await goesOn(on);
  });
}

for (const refusal of ['LOADING Redis is loading', 'CLUSTERDOWN The cluster is down', 'BUSY Redis is busy']) {
  ours(
    `reads that Redis refuses with ${word({ message: refusal })} become rarer, and are reported once`,
    async (_, scene) => {
      let isRefusing = true;
      const read = ([name]) => name === 'XREADGROUP';
      const fake = await FakeRedis.start((words) => {
        if (!read(words)) return OK;
        return isRefusing ? ERROR(refusal) : NIL;
      });
      scene.closing(() => fake.close());
      const connection = scene.connect({ ...fake.options, enableReadyCheck: false });
      const consumer = scene.consumer({ blockTimeout: 100 }, connection);
      const errors = scene.errors(consumer);
      await consumer.process({ stream: scene.stream, processor: () => {} }).play();
      await staysQuiet(errors, [word({ message: refusal })]);
      // 50, 100, 200, 400 and 800 ms apart, less a quarter.
      const reads = fake.commands.filter(read).length;
      assert.ok(reads >= 3 && reads <= 7, `${reads} reads`);
      isRefusing = false;
      await until(() => fake.commands.filter(read).length > reads + 1);
      isRefusing = true;
      await until(() => errors.length === 2);
    },
  );
}

ours('a lost group is created again after the last entry seen, with one event', async (_, scene) => {
  const on = await stage(scene);
  const [stream, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  // In one step, so that no read can see the entry before the group is gone.
  const script = `redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
    redis.call('XADD', KEYS[1], '*', 'prd', 'nobody', 'job', 'between')`;
  await on.redis.call('EVAL', script, 1, stream, group);
  await staysQuiet(on.errors, ['NOGROUP']);
  assert.deepStrictEqual([...on.seen], ['first', 'between']);
});

/**
 * Arguments of a server that loads 1500 keys slowly and one large value at once. After the first second its estimate is far
 * too long, since the small keys are a hundredth of the data.
 */
const SLOW_LOAD = '--key-load-delay 1000 --loading-process-events-interval-bytes 1024 --rdbcompression no'.split(' ');

/** Has a server save such data. Nothing that the server confirms later is lost with its process. */
async function saveForSlowLoad(redis) {
  const filler = Array.from({ length: 1500 }, (_, at) => [`filler:${at}`, 'x']);
  await redis.call('MSET', ...filler.flat());
  // A database is loaded after those with lower numbers.
  await redis.call('SELECT', 1);
  await redis.call('SETRANGE', 'large', 5e6, 'x');
  await redis.call('SELECT', 0);
  await redis.call('CLIENT', 'PAUSE', 60000, 'WRITE');
  await redis.call('SAVE');
}

/** Returns the fields of a server's INFO about its loading. */
async function loadingOf(redis) {
  const lines = (await redis.call('INFO', 'persistence')).split('\r\n').map((line) => line.split(':'));
  const { loading, loading_eta_seconds: estimate = 0 } = Object.fromEntries(lines);
  return { isLoading: loading === '1', estimate: Number(estimate) };
}

ours('a bus goes on soon after the end of a load that Redis has estimated far too long', async (_, scene) => {
  const on = await stage(scene, { args: SLOW_LOAD });
  await saveForSlowLoad(on.redis);
  on.redis.crash();
  await on.redis.start();
  let longest = 0;
  await until(
    async () => {
      const { isLoading, estimate } = await loadingOf(on.redis);
      longest = Math.max(longest, estimate);
      return !isLoading;
    },
    { timeout: RECOVERY },
  );
  assert.ok(longest > 30, `the longest estimate was ${longest} s`);
  const loaded = performance.now();
  await on.send('later');
  await until(() => on.seen.has('later'));
  const took = performance.now() - loaded;
  // A bus that waits for the estimate takes 9 s, and others half a second.
  assert.ok(took < RECOVERY / 2, `${took} ms`);
});

ours('calls wait for a server that is BUSY', async (_, scene) => {
  const on = await stage(scene, { args: ['--lua-time-limit', '20'] });
  const client = new RawClient(on.redis.port);
  scene.closing(() => client.close());
  const script = client.call('EVAL', 'while true do end', 0).catch(() => {});
  await until(async () => (await on.redis.call('PING').catch(word)) === 'BUSY');
  await assert.rejects(on.send('now'), { code: 'BUSY', command: 'XADD' });
  const used = await usedCpu();
  assert.ok(used < MOST_CPU, `${used} µs of a processor in ${WHILE} ms`);
  await on.redis.call('SCRIPT', 'KILL');
  await script;
  await goesOn(on);
  assert.ok(on.errors.length <= 1, `${on.errors.length} events`);
});

ours(
  'a server without memory rejects sends by name, and the jobs that it has run and are acknowledged',
  async (_, scene) => {
    const on = await stage(scene);
    await on.redis.call('CONFIG', 'SET', 'maxmemory', '1');
    await assert.rejects(on.send('now'), { code: 'OOM', command: 'XADD' });
    await sleep(WHILE);
    assert.deepStrictEqual(on.errors, []);
    await on.redis.call('CONFIG', 'SET', 'maxmemory', '0');
    await goesOn(on);
  },
);

ours('settlement failures are reported per job, but at most ten in a second', async (_, scene) => {
  const on = await stage(scene);
  await on.redis.call('ACL', 'SETUSER', 'default', '-xack');
  const ids = Array.from({ length: 300 }, (_, number) => `job-${number}`);
  await Promise.all(ids.map(on.send));
  const told = () => on.errors.reduce((sum, { count = 1 }) => sum + count, 0);
  await until(() => told() === ids.length, { timeout: RECOVERY });
  assert.ok(on.errors.every(({ code }) => code === 'REJECT_JOB_ERROR'));
  assert.ok(on.errors.filter(({ job }) => job).length >= 10);
  assert.ok(on.errors.length < ids.length / 2, `${on.errors.length} events`);
  await on.redis.call('ACL', 'SETUSER', 'default', '+xack');
  await on.consumer.pause(1000);
});
