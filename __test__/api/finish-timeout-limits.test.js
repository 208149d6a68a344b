'use strict';

/* Limits of the diagnosis of a job that is not finished in time: number of queries and duration. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { begin, timesOut, unfinished } = require('../support/unfinished.js');
const { stays, until } = require('../support/wait-until.js');

ours('a thousand waits that expire together share their queries', async (_, scene) => {
  await scene.play(() => new Promise(() => {}));
  const producer = scene.producer();
  const send = () => producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group, 'none'] });
  const jobs = await Promise.all(Array.from({ length: 1000 }, send));
  const monitor = await scene.monitor();
  let rounds = 0;
  // A machine that is too busy to look in time looks again.
  await until(async () => {
    const settled = await Promise.allSettled(jobs.map((job) => job.finished(50)));
    rounds++;
    assert.ok(settled.every(({ reason }) => reason.code === 'FINISH_TIMEOUT'));
    return settled.some(({ reason }) => reason.diagnosis);
  });
  const asked = (await monitor.named('XINFO')).filter(([, what]) => what.toUpperCase() === 'GROUPS');
  // One for each time that the timers of this process came round, which takes a busy machine more than one.
  assert.ok(asked.length >= 1 && asked.length <= 20 * rounds, `${asked.length} looks in ${rounds} rounds`);
  assert.strictEqual((await producer.stats()).timedOut, 1000 * rounds);
});

ours('no query for a diagnosis is sent before the timeout', async (_, scene) => {
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  const monitor = await scene.monitor();
  const waiting = job.finished(60000);
  waiting.catch(() => {});
  await stays(() => true, 100);
  assert.deepStrictEqual(await monitor.named('XINFO', 'XPENDING', 'XRANGE', 'GET'), []);
});

ours(
  'without a connection or a reply, finished() rejects in time, with no more than the message of 2.2.0',
  async (_, scene) => {
    const redis = await scene.server();
    const connection = scene.connect({ ...redis.options, retryStrategy: () => 10, maxRetriesPerRequest: null });
    const producer = scene.producer(connection);
    const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
    redis.freeze();
    const since = performance.now();
    const silent = await unfinished(job);
    const took = performance.now() - since;
    redis.thaw();
    assert.deepStrictEqual([silent.message, silent.diagnosis], [begin(30), undefined]);
    assert.ok(took >= 250 && took < 2500, `${took} ms`);
    const client = connection.getClient('mine');
    await client.ping();
    redis.kill();
    await until(() => client.status === 'reconnecting' || client.status === 'close');
    const away = await until(async () => {
      const found = await unfinished(job);
      return found.diagnosis === undefined && found;
    });
    assert.strictEqual(away.message, begin(30));
  },
);

ours('a user without the right to XINFO gets no more than the message of 2.2.0', async (_, scene) => {
  const username = scene.name('user');
  const rules = ['on', '>secret', '~*', '&*', '+@all', '-xinfo'];
  await scene.redis.call('ACL', 'SETUSER', username, ...rules);
  const connection = scene.connect({ username, password: 'secret' });
  const error = await timesOut(scene, { connection });
  assert.deepStrictEqual([error.message, error.diagnosis], [begin(30), undefined]);
});

/** Has timers wait for `run()`, which is to be called once; whatever follows in the same tick comes before any answer. */
function heldTimer(start) {
  const { setTimeout: real } = globalThis;
  const timers = [];
  globalThis.setTimeout = (run, ms) => timers.push({ run, ms });
  try {
    const started = start();
    return { started, ...timers[0], count: () => timers.length };
  } finally {
    globalThis.setTimeout = real;
  }
}

ours('an abort or a close during the diagnosis ends the wait at once', async (_, scene) => {
  const redis = await scene.server();
  const producer = scene.producer(scene.connect(redis.options));
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  redis.freeze();
  scene.closing(() => redis.thaw());
  const controller = new AbortController();
  const reason = new Error('mine');
  const aborted = heldTimer(() => job.finished({ timeout: 1, signal: controller.signal }));
  aborted.run();
  controller.abort(reason);
  await assert.rejects(aborted.started, reason);
  const closed = heldTimer(() => job.finished(1));
  closed.run();
  await Promise.all([producer.close(), assert.rejects(closed.started, { code: 'CONNECTION_CLOSED' })]);
  assert.strictEqual((await producer.stats()).timedOut, 0);
});

ours('a completion that arrives during the diagnosis settles the wait', async (_, scene) => {
  const proxy = await TcpProxy.to(scene.redis.port);
  scene.closing(() => proxy.close());
  const producer = scene.producer(scene.connect(proxy.options));
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  // What comes from Redis takes half of the time that the look may.
  proxy.delay(120);
  await scene.complete(job.id, producer.id);
  assert.ok((await job.finished(1))[scene.group] instanceof Date);
});

ours('fake timers control the timeout, but not the duration of the diagnosis', async (_, scene) => {
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  const held = heldTimer(() => job.finished(60000).catch((error) => error));
  assert.deepStrictEqual([held.ms, held.count()], [60000, 1]);
  held.run();
  assert.strictEqual((await held.started).code, 'FINISH_TIMEOUT');
});

ours('a process can end during the diagnosis', async (_, scene) => {
  const redis = await scene.server();
  const child = scene.child(
    async ({ hfxbus, options, print }) => {
      const connection = hfxbus.ConnectionManager.standalone(options);
      const producer = new hfxbus.Producer(connection);
      const job = await producer.send({ stream: 's', job: producer.job(), waitFor: ['g'] });
      process.once('SIGUSR2', async () => {
        const { setTimeout: real } = globalThis;
        const timers = [];
        globalThis.setTimeout = (run) => timers.push(run);
        const codes = [job.finished(1), job.finished(1)].map((waiting) => waiting.catch(({ code }) => code));
        globalThis.setTimeout = real;
        for (const run of timers) run();
        connection.stop({ force: true });
        print('codes', ...(await Promise.all(codes)));
      });
      print('sent');
    },
    { options: redis.options },
  );
  await child.says('sent');
  redis.freeze();
  scene.closing(() => redis.thaw());
  child.signal('SIGUSR2');
  assert.deepStrictEqual(await child.says('codes'), ['CONNECTION_CLOSED', 'CONNECTION_CLOSED']);
  assert.strictEqual((await child.exit()).code, 0);
});
