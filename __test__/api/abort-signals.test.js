'use strict';

const assert = require('node:assert');
const { getEventListeners } = require('node:events');
const { ours } = require('../support/cases.js');
const { until } = require('../support/wait-until.js');

/** Number of waits for a signal, above the limit of the warning of Node. */
const MANY = 25;

/** Sends jobs without a consumer, and waits for each with a signal, in both ways. */
async function waits(scene, signal, count = MANY) {
  const producer = scene.producer();
  const jobs = await Promise.all(
    Array.from({ length: count }, () =>
      producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] }),
    ),
  );
  return { producer, jobs, waiting: jobs.map((job) => job.finished({ signal })) };
}

const listeners = (signal) => getEventListeners(signal, 'abort').length;

ours('a signal has one listener for all waits, and none after the last wait has ended', async (_, scene) => {
  const { signal } = new AbortController();
  const { jobs, waiting } = await waits(scene, signal);
  const again = jobs.map((job) => job.finished({ signal, timeout: 60000 }));
  assert.strictEqual(listeners(signal), 1);
  const consumer = scene.consumer().process({ stream: scene.stream, fromId: '0', processor: async () => {} });
  await consumer.play({ signal });
  await Promise.all([...waiting, ...again]);
  assert.strictEqual(listeners(signal), 1, 'the consumer plays');
  await Promise.all(jobs.map((job) => job.get('a').pull({ signal })));
  await consumer.pause();
  await until(() => listeners(signal) === 0);
  const { waiting: later } = await waits(scene, signal, 2);
  assert.strictEqual(listeners(signal), 1);
  await consumer.play();
  await Promise.all(later);
  await until(() => listeners(signal) === 0);
});

ours('a wait that times out does not end other waits for the same signal', async (_, scene) => {
  const controller = new AbortController();
  const { signal } = controller;
  const { jobs, waiting } = await waits(scene, signal, 3);
  await assert.rejects(jobs[0].finished({ signal, timeout: 20 }), { code: 'FINISH_TIMEOUT' });
  assert.strictEqual(listeners(signal), 1);
  const reason = new Error('enough');
  controller.abort(reason);
  const outcomes = await Promise.allSettled(waiting);
  assert.deepStrictEqual(
    outcomes.map((outcome) => outcome.reason),
    [reason, reason, reason],
  );
  assert.strictEqual(listeners(signal), 0);
  await assert.rejects(jobs[0].finished({ signal }), reason);
});

ours('many waits for one signal cause no warning of Node', async (_, scene) => {
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      const connection = hfxbus.ConnectionManager.standalone(options);
      const producer = new hfxbus.Producer(connection);
      const { signal } = new AbortController();
      const waiting = Array.from({ length: data.count }, async () => {
        const job = await producer.send({ stream: data.stream, job: producer.job(), waitFor: ['g'] });
        await job.get('a').pull({ signal });
        const finished = job.finished({ signal });
        print('waits');
        await finished;
      });
      const consumers = Array.from({ length: data.count }, (_, at) =>
        new hfxbus.Consumer(connection, { group: `g${at}` }).process({ stream: data.stream, processor: () => {} }),
      );
      await Promise.all(consumers.map((consumer) => consumer.play({ signal })));
      Promise.allSettled(waiting).then(() => print('over'));
      process.once('SIGUSR2', () => connection.stop());
    },
    { data: { stream: scene.stream, count: MANY }, flags: ['--trace-warnings'] },
  );
  await until(() => child.printed.filter(([word]) => word === 'waits').length === MANY);
  child.signal('SIGUSR2');
  await child.says('over');
  assert.deepStrictEqual([(await child.exit()).code, child.stderr], [0, '']);
});

ours('an object with only listeners and a state is accepted as a signal', async (_, scene) => {
  const listening = new Set();
  const signal = {
    aborted: false,
    addEventListener: (_, listener) => listening.add(listener),
    removeEventListener: (_, listener) => listening.delete(listener),
  };
  const { jobs, waiting } = await waits(scene, signal, 2);
  const consumer = scene.consumer().process({ stream: scene.name('stream'), processor: async () => {} });
  await consumer.play({ signal });
  assert.deepStrictEqual(await jobs[0].get('a').pull({ signal }), { a: null });
  await until(() => listening.size === 1);
  const [abort] = listening;
  signal.aborted = true;
  abort();
  for (const { reason } of await Promise.allSettled(waiting)) assert.strictEqual(reason.name, 'AbortError');
  for (const call of [
    () => consumer.play({ signal }),
    () => jobs[0].get('a').pull({ signal }),
    () => jobs[0].finished({ signal }),
  ]) {
    await assert.rejects(call(), { name: 'AbortError' });
  }
});
