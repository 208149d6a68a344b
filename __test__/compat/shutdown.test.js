'use strict';

const assert = require('node:assert');
const { fix, ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** For how many ms a signal is the same as the one before, and some more. */
const REPEATED = 700;
const CLAIMING = { claimInterval: 50, claimDeadline: 60000 };

fix('jobs that stop() does not wait for are released, and another consumer runs them at once', async (_, scene) => {
  const connection = scene.connect();
  let started = 0;
  const processor = () => {
    started++;
    return new Promise(() => {});
  };
  await scene.play(processor, { connection, concurrency: 20, claimDeadline: 60000 });
  const jobs = Array.from({ length: 30 }, (_, index) => `job-${index}`);
  for (const job of jobs) await scene.add(job);
  await until(() => started === 20);
  const seen = new Set();
  await scene.play(async (job) => seen.add(job.id), { ...CLAIMING, concurrency: 50 });
  await connection.stop({ maxWait: 50 });
  const stopped = Date.now();
  await until(() => seen.size === 30);
  assert.ok(Date.now() - stopped < 2000, `${Date.now() - stopped} ms`);
  await until(async () => (await scene.pending()) === 0);
});

ours('job.signal is aborted at the deadline, and when stop() no longer waits', async (_, scene) => {
  const connection = scene.connect();
  const signals = new Map();
  const processor = (job) => {
    signals.set(job.id, job.signal);
    return new Promise(() => {});
  };
  await scene.play(processor, { connection, deadline: 100, stream: 'short', group: scene.group });
  await scene.play(processor, { connection, stream: 'long', group: scene.group });
  await scene.add('expires', { stream: 'short' });
  await scene.add('is cut off', { stream: 'long' });
  await until(() => signals.size === 2);
  const isAborted = (id) => signals.get(id).aborted;
  await until(() => isAborted('expires'));
  assert.deepStrictEqual([signals.get('expires').reason.code, isAborted('is cut off')], ['DEADLINE_TIMEOUT', false]);
  await connection.stop({ maxWait: 20 });
  assert.deepStrictEqual([isAborted('is cut off'), signals.get('is cut off').reason.code], [true, 'CONNECTION_CLOSED']);
});

ours(
  'a signal that is read late has the current state, and the signal of an ended job is not aborted',
  async (_, scene) => {
    const connection = scene.connect();
    const jobs = [];
    const gate = new Gate();
    await scene.play(
      async (job) => {
        jobs.push(job);
        if (job.id === 'waits') await gate.opened;
      },
      { connection, deadline: 60, concurrency: 2 },
    );
    await scene.add('waits');
    await scene.add('ends');
    await until(async () => jobs.length === 2 && (await scene.pending()) === 1);
    const waits = jobs.find(({ id }) => id === 'waits');
    await until(() => waits.resolve === undefined);
    assert.strictEqual(waits.signal.aborted, true);
    gate.open();
    await connection.stop({ force: true });
    assert.strictEqual(jobs.find(({ id }) => id === 'ends').signal.aborted, false);
    assert.strictEqual(scene.producer().job().signal, undefined);
  },
);

ours('finished(), pull() and play() take an AbortSignal', async (_, scene) => {
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['nobody'] });
  const reason = new Error('enough');
  const aborted = AbortSignal.abort(reason);
  for (const call of [
    () => job.finished({ signal: aborted }),
    () => job.get('a').pull({ signal: aborted }),
    () => scene.consumer().play({ signal: aborted }),
  ]) {
    await assert.rejects(call(), reason);
  }
  const controller = new AbortController();
  const waiting = [
    job.finished({ signal: controller.signal, timeout: 60000 }),
    job.finished({ signal: controller.signal }),
  ];
  const settled = Promise.allSettled(waiting);
  controller.abort(reason);
  assert.deepStrictEqual(
    (await settled).map((outcome) => outcome.reason),
    [reason, reason],
  );
  await assert.rejects(job.finished({ timeout: 30, signal: new AbortController().signal }), { code: 'FINISH_TIMEOUT' });
  await assert.rejects(job.finished({ signal: 'x' }), TypeError);
  assert.deepStrictEqual(await job.get('a', false).pull({ signal: new AbortController().signal }), { a: null });
});

ours('aborting the signal of play() pauses the consumer, also later', async (_, scene) => {
  const controller = new AbortController();
  const seen = [];
  const consumer = scene.consumer();
  consumer.process({ stream: scene.stream, processor: async (job) => seen.push(job.id) });
  await consumer.play({ signal: controller.signal });
  await scene.add('before');
  await until(() => seen.length === 1);
  controller.abort();
  await consumer.pause();
  await scene.add('after');
  await until(async () => (await scene.length()) === 2);
  assert.deepStrictEqual(seen, ['before']);
  await consumer.play();
  await until(() => seen.length === 2);
});

ours('managers, producers and consumers are disposed of by await using', async (_, scene) => {
  const connection = scene.connect();
  const consumer = await scene.play(async () => {}, { connection });
  const producer = scene.producer(connection);
  await producer.listen();
  for (const member of [consumer, producer, connection]) await member[Symbol.asyncDispose]();
  await until(async () => !(await scene.redis.call('CLIENT', 'LIST')).includes('xreadgroup'));
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  ours(`gracefulShutdown ends the process at ${signal}, after the jobs in flight`, async (_, scene) => {
    const child = shuttingDown(scene, { timeout: 5000, work: 150 });
    await child.says('plays');
    await scene.add('job-1');
    await child.says('started');
    child.signal(signal);
    await child.says('ended');
    const ended = await child.exit();
    assert.deepStrictEqual([ended.signal, child.stderr, await scene.pending()], [signal, '', 0]);
  });
}

ours('gracefulShutdown waits no longer than its timeout, and releases unfinished jobs', async (_, scene) => {
  const child = shuttingDown(scene, { timeout: 200, work: 60000 });
  await child.says('plays');
  await scene.add('job-1');
  await child.says('started');
  const told = Date.now();
  child.signal('SIGTERM');
  const ended = await child.exit();
  assert.ok(ended.at - told < 3000, `${ended.at - told} ms`);
  const [[, , idle]] = await scene.redis.call(
    'XPENDING',
    keys.stream(scene.stream),
    keys.group(scene.group),
    '-',
    '+',
    1,
  );
  assert.ok(idle > 60000, `${idle} ms`);
});

ours(
  'a second signal that comes half a second later ends the process at once, also under fake timers',
  async (_, scene) => {
    const redis = await scene.server();
    const options = redis.options;
    const child = shuttingDown(scene, { timeout: 60000, work: 60000, options, concurrency: 2, isFrozen: true });
    await child.says('plays');
    await scene.add('job-1', { redis });
    await child.says('started');
    const isReading = async () => /blocked_clients:1/.test(await redis.call('INFO', 'clients'));
    await until(isReading);
    child.signal('SIGTERM');
    await until(async () => !(await isReading()));
    const heard = Date.now();
    await until(() => Date.now() - heard > REPEATED);
    child.signal('SIGTERM');
    assert.strictEqual((await child.exit()).signal, 'SIGTERM');
  },
);

for (const signals of [
  ['SIGTERM', 'SIGTERM'],
  ['SIGINT', 'SIGINT', 'SIGINT'],
  ['SIGINT', 'SIGTERM'],
  ['SIGTERM', 'SIGINT'],
]) {
  ours(`${signals.join(', ')} within half a second are one signal`, async (_, scene) => {
    const child = shuttingDown(scene, { timeout: 5000, work: 300, signals });
    await child.says('plays');
    await scene.add('job-1');
    await child.says('started');
    await child.says('ended');
    const ended = await child.exit();
    assert.deepStrictEqual([ended.signal, child.stderr, await scene.pending()], [signals[0], '', 0]);
  });

  ours(`${signals.join(', ')} within half a second release unfinished jobs`, async (_, scene) => {
    const child = shuttingDown(scene, { timeout: 200, work: 60000, signals });
    await child.says('plays');
    await scene.add('job-1');
    await child.says('started');
    assert.strictEqual((await child.exit()).signal, signals[0]);
    const stream = [keys.stream(scene.stream), keys.group(scene.group)];
    const [[, , idle]] = await scene.redis.call('XPENDING', ...stream, '-', '+', 1);
    assert.ok(idle > 60000, `${idle} ms`);
  });
}

ours('a repeated signal does not end a process that shuts down by itself', async (_, scene) => {
  const child = scene.child(async ({ hfxbus, options, print }) => {
    const connection = hfxbus.ConnectionManager.standalone(options);
    await connection.getClient('mine').ping();
    const listened = process.listenerCount('SIGTERM');
    hfxbus.gracefulShutdown(connection, { exit: false });
    connection.on('error', () => {});
    const isOver = () => connection.getClients('mine')[0].status !== 'ready';
    process.kill(process.pid, 'SIGTERM');
    const timer = setInterval(() => {
      if (!isOver()) return;
      clearInterval(timer);
      process.kill(process.pid, 'SIGTERM');
      setTimeout(() => print('alive', process.listenerCount('SIGTERM') - listened), 50);
      const end = setInterval(() => {
        if (process.listenerCount('SIGTERM') > listened) return;
        clearInterval(end);
        print('not listening');
        connection.stop();
      }, 10);
    }, 1);
  });
  assert.deepStrictEqual(await child.says('alive'), [1]);
  await child.says('not listening');
  assert.deepStrictEqual(await child.exit().then(({ code, signal }) => [code, signal]), [0, null]);
});

ours('several buses end the process once all are stopped, also at a repeated signal', async (_, scene) => {
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      for (const [at, stream] of data.entries()) {
        const connection = hfxbus.ConnectionManager.standalone(options);
        const consumer = new hfxbus.Consumer(connection, { group: 'g' });
        consumer.process({
          stream,
          fromId: '0',
          processor: async () => {
            print('started', at);
            await new Promise((resolve) => setTimeout(resolve, at * 300));
            print('ended', at);
          },
        });
        hfxbus.gracefulShutdown([consumer, connection]);
        await consumer.play();
      }
      const producer = new hfxbus.Producer(hfxbus.ConnectionManager.standalone(options));
      for (const stream of data) await producer.send({ stream, job: producer.job() });
      await producer.connection.stop();
      print('sent');
    },
    { data: [scene.name('stream'), scene.name('stream')] },
  );
  await child.says('sent');
  await until(() => child.printed.filter(([word]) => word === 'started').length === 2);
  child.signal('SIGTERM');
  child.signal('SIGINT');
  const { signal } = await child.exit();
  assert.ok(['SIGTERM', 'SIGINT'].includes(signal), signal);
  assert.strictEqual(child.printed.filter(([word]) => word === 'ended').length, 2);
});

ours('gracefulShutdown rejects invalid arguments by name, and can be cancelled', async (_, { hfxbus }) => {
  const { gracefulShutdown } = hfxbus;
  // Newer versions of Node have one of their own, for reports.
  const others = process.listenerCount('SIGUSR2');
  const listeners = () => process.listenerCount('SIGUSR2') - others;
  for (const [members, options] of [
    [[{}], undefined],
    [[null], undefined],
    [[], { timeout: -1 }],
    [[], { signals: 'TERM' }],
    [[], { signals: ['TERM'] }],
  ]) {
    assert.throws(() => gracefulShutdown(members, options), /members\[0\]|timeout|signals/);
  }
  const shutdown = gracefulShutdown([], { signals: ['SIGUSR2'] });
  assert.strictEqual(listeners(), 1);
  await shutdown.shutDown();
  shutdown.cancel();
  assert.strictEqual(listeners(), 0);
});

/**
 * A process that works on a job for so long, and shuts down gracefully; when it has begun, it gets signals, 5 ms apart. It may
 * have frozen its clocks.
 */
function shuttingDown(scene, { timeout, work, options, concurrency = 1, signals = [], isFrozen = false }) {
  return scene.child(
    ({ hfxbus, options, data, print }) => {
      const connection = hfxbus.ConnectionManager.standalone(options);
      const consumer = new hfxbus.Consumer(connection, { group: data.group, concurrency: data.concurrency });
      const processor = async () => {
        print('started');
        for (const [at, name] of data.signals.entries()) setTimeout(() => process.kill(process.pid, name), 5 * at);
        await new Promise((resolve) => setTimeout(resolve, data.work));
        print('ended');
      };
      if (data.isFrozen) {
        Date.now = () => 0;
        performance.now = () => 0;
        process.hrtime.bigint = () => 0n;
      }
      consumer.process({ stream: data.stream, processor });
      hfxbus.gracefulShutdown([connection, consumer], { timeout: data.timeout });
      consumer.play().then(() => print('plays'));
    },
    { data: { stream: scene.stream, group: scene.group, timeout, work, concurrency, signals, isFrozen }, options },
  );
}
