'use strict';

/*
 * Times beyond 2 ** 31 ms, which a timer of Node takes for 1 ms. The longest timers of this process end at once on demand, so
 * that what takes several of them can be seen to end.
 */

const LONGEST_TIMER = 2 ** 31 - 1;
const { setTimeout: startTimer } = globalThis;
/** Number of the longest timers that the test ends at once. */
let shortened = 0;
globalThis.setTimeout = (action, ms, ...rest) => {
  const isShort = ms === LONGEST_TIMER && shortened > 0;
  if (isShort) shortened--;
  return startTimer(action, isShort ? 1 : ms, ...rest);
};

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { start } = require('../support/command-line.js');
const { stays, until } = require('../support/wait-until.js');

const TIMES = [2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
const ANY = [...TIMES, 1e300, Infinity];
/** For how long nothing may happen, in ms. */
const WHILE = 60;

const warnings = [];
process.on('warning', ({ name, message }) => warnings.push(`${name}: ${message}`));

/** Returns true if a promise has settled. */
function watch(promise) {
  const watched = { isSettled: false };
  const settle = () => {
    watched.isSettled = true;
  };
  promise.then(settle, settle);
  return watched;
}

async function staysOpen(promise, what) {
  const watched = watch(promise);
  await stays(() => !watched.isSettled, WHILE);
  assert.deepStrictEqual(warnings, [], what);
}

/** A consumer that plays with one job that runs until `end()` is called. */
async function busy(scene, connection, options) {
  const run = {};
  const begun = new Promise((resolve) => {
    run.processor = () => {
      resolve();
      return new Promise((ended) => {
        run.end = ended;
      });
    };
  });
  run.consumer = await scene.play(run.processor, { connection, ...options });
  await scene.add('job-1');
  await begun;
  return run;
}

ours('finished() waits for the whole of a long timeout', async (_, scene) => {
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job('job-1'), waitFor: [scene.group] });
  const waits = ANY.flatMap((timeout) => [job.finished(timeout), job.finished({ timeout })]);
  await Promise.all(waits.map((wait, at) => staysOpen(wait, `${ANY[at >> 1]}`)));
  await scene.complete('job-1', producer.id);
  assert.strictEqual((await Promise.all(waits)).length, 2 * ANY.length);
});

ours('finished() expires with its last timer, and never with an infinite timeout', async (_, scene) => {
  const producer = scene.producer();
  const send = () => producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  shortened = 2;
  const waiting = (await send()).finished(2 * LONGEST_TIMER + 1);
  await assert.rejects(waiting, { code: 'FINISH_TIMEOUT', message: /4294967295ms/ });
  assert.strictEqual(shortened, 0);
  shortened = 5;
  const endless = (await send()).finished(Infinity);
  await until(() => shortened === 0);
  await staysOpen(endless);
});

ours('pause() waits for the whole of a long timeout, and expires with its last timer', async (_, scene) => {
  const { consumer, end } = await busy(scene, scene.connection);
  const pauses = ANY.map((timeout) => consumer.pause(timeout));
  await Promise.all(pauses.map((pause, at) => staysOpen(pause, `${ANY[at]}`)));
  shortened = 2;
  await assert.rejects(consumer.pause(2 * LONGEST_TIMER + 1), { code: 'PAUSE_TIMEOUT' });
  end();
  await Promise.all(pauses);
});

ours('stop() and gracefulShutdown() wait for the whole of a long time', async (_, scene) => {
  for (const maxWait of ANY) {
    const connection = scene.connect();
    const [group, stream] = [scene.name('group'), scene.name('stream')];
    let end;
    await scene.play(
      () =>
        new Promise((ended) => {
          end = ended;
        }),
      { connection, group, stream },
    );
    await scene.add('job-1', { stream });
    await until(() => end);
    const { shutDown, cancel } = scene.hfxbus.gracefulShutdown([connection], { timeout: maxWait });
    const stopping = Promise.all([connection.stop({ maxWait }), shutDown()]);
    await staysOpen(stopping, `${maxWait}`);
    end();
    await stopping;
    cancel();
  }
});

ours('a job can run, fail and wait for the whole of a long time', async (_, scene) => {
  for (const time of ANY) {
    const delay = Math.min(time, 1e300);
    for (const options of [
      { deadline: time },
      { blockTimeout: time },
      { claimInterval: time },
      { claimDeadline: time, claimInterval: 10 },
      { claimInterval: 10, backoff: { type: 'fixed', delay } },
      { claimInterval: 10, backoff: { type: 'exponential', delay, max: time, jitter: 1 } },
    ]) {
      const [group, stream] = [scene.name('group'), scene.name('stream')];
      const runs = [];
      const processor = async ({ id }) => {
        runs.push(id);
        if (options.backoff) throw new Error('again, but much later');
      };
      const consumer = await scene.play(processor, { group, stream, ...options });
      const errors = scene.errors(consumer);
      await scene.add('job-1', { stream });
      await until(() => runs.length > 0);
      await stays(() => runs.length === 1, WHILE / 3);
      await consumer.pause(5000);
      assert.deepStrictEqual([errors, warnings], [[], []], JSON.stringify(options));
    }
  }
});

const OF_CONNECTIONS = ['connectTimeout', 'commandTimeout', 'socketTimeout', 'keepAlive', 'maxLoadingRetryTime'];

ours('a connection accepts times of any length', async (_, scene) => {
  for (const time of ANY) {
    const connection = scene.connect(Object.fromEntries(OF_CONNECTIONS.map((name) => [name, time])));
    const [group, stream] = [scene.name('group'), scene.name('stream')];
    await scene.play(async () => {}, { connection, group, stream });
    const producer = scene.producer(connection);
    const job = await producer.send({ stream, job: producer.job(), waitFor: [group] });
    await job.finished(5000);
    await connection.stop({ maxWait: 5000 });
  }
  assert.deepStrictEqual(warnings, []);
});

ours('a reconnection with a long delay does not start at once', async (_, scene) => {
  for (const time of ANY) {
    let asked = 0;
    const retryStrategy = () => {
      asked++;
      return time;
    };
    const connection = scene.connect({ port: 1, retryStrategy, maxRetriesPerRequest: null });
    const pushing = scene.producer(connection).job().set('key', 1).push();
    pushing.catch(() => {});
    await until(() => asked > 0);
    await staysOpen(pushing, `${time}`);
    assert.strictEqual(asked, 1);
    await connection.stop({ force: true });
  }
});

ours('payloads and records live up to the limit of PSETEX', async (_, scene) => {
  await scene.play(async () => {});
  const producer = scene.producer();
  for (const time of TIMES) {
    const job = producer.job();
    await job.set('key', 1, time).push();
    assert.deepStrictEqual(await job.get('key', false).pull(), { key: 1 });
    await producer.send({ stream: scene.stream, job, waitFor: [scene.group], durable: { ttl: time } });
    await job.finished(5000);
  }
  for (const time of [1e300, Infinity, 2 ** 53]) {
    assert.throws(() => producer.job().set('key', 1, time), { name: 'RangeError', message: /'key'/ });
  }
});

ours('the command line repeats its query only after the given time', async (_, scene) => {
  const monitor = await scene.monitor();
  const url = `redis://127.0.0.1:${scene.redis.port}`;
  const run = start(['watch', '--json', '--url', url, '--interval', '999999999999999']);
  scene.closing(() => run.child.kill('SIGKILL'));
  await until(async () => (await monitor.named('SCAN')).length > 0);
  await stays(() => run.stdout === '' && run.stderr === '', 4 * WHILE);
});
