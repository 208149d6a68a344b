'use strict';

/* consumer.process({ batch }): a processor that gets several jobs at a time. */

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { until } = require('../support/wait-until.js');

/** A wait that no case reaches, in ms. */
const LONG = 20_000;

function ids(jobs) {
  return jobs.map(({ id }) => id);
}

/** A consumer with batches that plays. */
async function playBatches(scene, processor, batch, { deadline, prefetch, stream = scene.stream, ...options } = {}) {
  const consumer = scene.consumer({ concurrency: batch.size, ...options });
  consumer.process({ stream, processor, batch, deadline, prefetch });
  await consumer.play();
  return consumer;
}

/** Sends jobs that are waited for. */
function send(scene, producer, names) {
  return producer.sendAll(
    names.map((id) => ({ stream: scene.stream, job: producer.job(id), waitFor: [scene.group] })),
    { atomic: true },
  );
}

/** The outcome of a job for the group of the case. */
async function outcomeOf(scene, job) {
  return (await job.finished(8000))[scene.group];
}

ours('a batch starts when it is full, or when its time has passed, in the order of the stream', async (_, scene) => {
  const batches = [];
  const processor = async (jobs) => batches.push(ids(jobs));
  await playBatches(scene, processor, { size: 3, wait: 500 });
  const producer = scene.producer();
  const begin = Date.now();
  const jobs = await send(scene, producer, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
  const outcomes = await Promise.all(jobs.map((job) => outcomeOf(scene, job)));
  assert.ok(outcomes.every((outcome) => outcome instanceof Date));
  assert.deepStrictEqual(batches, [
    ['a', 'b', 'c'],
    ['d', 'e', 'f'],
    ['g', 'h'],
  ]);
  assert.ok(Date.now() - begin >= 500, 'the last batch waited');
  assert.strictEqual(await scene.pending(), 0);
});

ours('a full batch does not wait', async (_, scene) => {
  const batches = [];
  await playBatches(scene, (jobs) => batches.push(ids(jobs)), { size: 2, wait: LONG });
  const producer = scene.producer();
  await send(scene, producer, ['a']);
  await send(scene, producer, ['b']);
  await until(() => batches.length === 1);
  assert.deepStrictEqual(batches, [['a', 'b']]);
});

ours('a batch without a wait has the jobs that arrive together', async (_, scene) => {
  const gate = new Gate();
  const batches = [];
  const processor = async (jobs) => {
    batches.push(ids(jobs));
    await gate.opened;
  };
  await playBatches(scene, processor, { size: 5 }, { concurrency: 6 });
  const producer = scene.producer();
  await send(scene, producer, ['a']);
  await until(() => batches.length === 1);
  await send(scene, producer, ['b', 'c', 'd']);
  await until(() => batches.length === 2);
  gate.open();
  assert.deepStrictEqual(batches, [['a'], ['b', 'c', 'd']]);
});

ours('each job of a batch is settled by itself, and the return resolves the others', async (_, scene) => {
  let settled = 0;
  const processor = async (jobs) => {
    const [a, b, c] = jobs;
    await a.resolve();
    await b.reject(new Error('mine'));
    settled = await scene.pending();
    c.release();
    jobs.length = 0;
  };
  await playBatches(scene, processor, { size: 4, wait: LONG });
  const producer = scene.producer();
  const jobs = await send(scene, producer, ['a', 'b', 'c', 'd']);
  const [a, b, c, d] = await Promise.all(jobs.map((job) => outcomeOf(scene, job)));
  assert.deepStrictEqual(
    [a, c, d].map((outcome) => outcome instanceof Date),
    [true, true, true],
  );
  assert.deepStrictEqual([b.message, settled], ['mine', 3]);
  await until(async () => (await scene.pending()) === 1);
});

ours('an error of the processor rejects the jobs that it has not settled', async (_, scene) => {
  const consumer = await playBatches(
    scene,
    async ([a, b]) => {
      await a.resolve();
      await b.reject(new Error('b alone'));
      throw new scene.hfxbus.UnrecoverableError('the batch');
    },
    { size: 4, wait: LONG },
    { deadLetter: scene.name('dead') },
  );
  const errors = scene.errors(consumer);
  const producer = scene.producer();
  const jobs = await send(scene, producer, ['a', 'b', 'c', 'd']);
  const [a, ...failed] = await Promise.all(jobs.map((job) => outcomeOf(scene, job)));
  assert.ok(a instanceof Date);
  assert.deepStrictEqual(
    failed.map(({ message }) => message),
    ['b alone', 'the batch', 'the batch'],
  );
  await until(async () => (await scene.pending()) === 1);
  assert.deepStrictEqual(errors, []);
});

ours('an error after all jobs of a batch were settled is reported once', async (_, scene) => {
  const consumer = await playBatches(
    scene,
    async (jobs) => {
      await Promise.all(jobs.map((job) => job.resolve()));
      throw new Error('too late');
    },
    { size: 2, wait: LONG },
  );
  const errors = scene.errors(consumer);
  await send(scene, scene.producer(), ['a', 'b']);
  await until(() => errors.length > 0);
  await consumer.pause();
  assert.deepStrictEqual(
    errors.map(({ code, message, job }) => [code, message, job.id]),
    [['UNHANDLED_JOB_ERROR', 'too late', 'a']],
  );
});

ours('a rejected job of a batch runs again in a later batch', async (_, scene) => {
  const batches = [];
  const processor = (jobs) => {
    batches.push(ids(jobs));
    if (batches.length === 1) throw new Error('once');
  };
  await playBatches(scene, processor, { size: 2, wait: 10 }, { claimInterval: 20, claimDeadline: 60 });
  await send(scene, scene.producer(), ['a', 'b']);
  await until(async () => batches.length > 1 && (await scene.pending()) === 0);
  assert.deepStrictEqual(
    [batches[0], batches.slice(1).flat().sort()],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
  );
});

ours('several batches run at once, up to the concurrency in jobs', async (_, scene) => {
  const gate = new Gate();
  const batches = [];
  const processor = async (jobs) => {
    batches.push(ids(jobs));
    await gate.opened;
  };
  const consumer = await playBatches(scene, processor, { size: 2, wait: 20 }, { concurrency: 5 });
  const jobs = await send(scene, scene.producer(), ['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  await until(() => batches.length === 3);
  const { inFlight, availableSlots } = await consumer.stats();
  assert.deepStrictEqual({ inFlight, availableSlots }, { inFlight: 5, availableSlots: 0 });
  assert.deepStrictEqual(batches, [['a', 'b'], ['c', 'd'], ['e']]);
  gate.open();
  await Promise.all(jobs.map((job) => outcomeOf(scene, job)));
  assert.deepStrictEqual(batches.slice(3).flat(), ['f', 'g']);
});

ours('the deadline holds for each job of a batch', async (_, scene) => {
  const gate = new Gate();
  const reasons = [];
  const processor = async ([a, b]) => {
    b.signal.addEventListener('abort', () => reasons.push(b.signal.reason.code));
    await a.resolve();
    await gate.opened;
  };
  const consumer = await playBatches(scene, processor, { size: 2, wait: 20 }, { deadline: 1000 });
  const errors = scene.errors(consumer);
  const jobs = await send(scene, scene.producer(), ['a', 'b']);
  const [a, b] = await Promise.all(jobs.map((job) => outcomeOf(scene, job)));
  assert.deepStrictEqual([a instanceof Date, b.code], [true, 'DEADLINE_TIMEOUT']);
  await until(() => reasons.length === 1);
  gate.open();
  await consumer.pause();
  assert.deepStrictEqual([reasons, errors], [['DEADLINE_TIMEOUT'], []]);
});

ours('a pause starts the batch that waits, and play() lets batches wait again', async (_, scene) => {
  const batches = [];
  const consumer = await playBatches(scene, (jobs) => batches.push(ids(jobs)), { size: 9, wait: LONG });
  const producer = scene.producer();
  const isWaiting = async (count) => (await consumer.stats()).inFlight === count;
  await send(scene, producer, ['a', 'b']);
  await until(() => isWaiting(2));
  await consumer.pause(8000);
  assert.deepStrictEqual([batches, await scene.pending()], [[['a', 'b']], 0]);
  await send(scene, producer, ['c']);
  await consumer.play();
  await until(() => isWaiting(1));
  await send(scene, producer, ['d']);
  await until(() => isWaiting(2));
  assert.deepStrictEqual(batches, [['a', 'b']]);
  consumer.process({ stream: scene.stream, processor: (job) => batches.push(job.id) });
  await until(async () => (await scene.pending()) === 0);
  await send(scene, producer, ['e']);
  await until(() => batches.length === 3);
  assert.deepStrictEqual(batches, [['a', 'b'], ['c', 'd'], 'e']);
});

ours('stop() starts the batch that waits, and a forced stop leaves its jobs pending', async (_, scene) => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  for (const force of [false, true]) {
    const stream = scene.name('stream');
    const before = timers();
    const batches = [];
    const connection = scene.connect();
    const consumer = await playBatches(
      scene,
      async (jobs) => batches.push(ids(jobs)),
      { size: 9, wait: LONG },
      { connection, stream },
    );
    await scene.add('a', { stream });
    await until(async () => (await consumer.stats()).inFlight === 1);
    await consumer.connection.stop({ force, maxWait: 8000 });
    assert.strictEqual(timers(), before);
    if (force) assert.deepStrictEqual(batches, []);
    else assert.deepStrictEqual([batches, await scene.pending({ stream })], [[['a']], 0]);
  }
});

ours('a batch has prefetched and carried payloads, and writes what its jobs have set', async (_, scene) => {
  const processor = async (jobs) => {
    for (const job of jobs) {
      const { inbound } = await job.get('inbound', false).pull();
      job.set('outbound', `${inbound}!`);
    }
  };
  await playBatches(scene, processor, { size: 2, wait: LONG }, { prefetch: ['inbound'] });
  const producer = scene.producer();
  const options = { stream: scene.stream, waitFor: [scene.group], returns: ['outbound'] };
  const jobs = await producer.sendAll([
    { ...options, job: producer.job().set('inbound', 'keys'), carry: false },
    { ...options, job: producer.job().set('inbound', 'entry'), payload: 'entry' },
  ]);
  await Promise.all(jobs.map((job) => outcomeOf(scene, job)));
  const answers = await Promise.all(jobs.map((job) => job.get('outbound', false).pull()));
  assert.deepStrictEqual(answers, [{ outbound: 'keys!' }, { outbound: 'entry!' }]);
});

ours('a batch runs in the async context of process()', async (_, scene) => {
  const storage = new AsyncLocalStorage();
  const stores = [];
  const consumer = scene.consumer({ concurrency: 2 });
  const processor = () => stores.push(storage.getStore());
  storage.run('mine', () => consumer.process({ stream: scene.stream, processor, batch: { size: 2, wait: 20 } }));
  await consumer.play();
  await send(scene, scene.producer(), ['a', 'b', 'c']);
  await until(() => stores.length === 2);
  assert.deepStrictEqual(stores, ['mine', 'mine']);
});

ours('invalid options of a batch are refused', (_, scene) => {
  const consumer = scene.consumer({ concurrency: 4 });
  const endless = scene.consumer({ concurrency: Infinity });
  const single = scene.consumer();
  const refused = (subject, options, kind, message) => {
    assert.throws(() => subject.process({ stream: scene.stream, processor() {}, ...options }), { name: kind, message });
  };
  refused(consumer, { batch: 3 }, 'TypeError', 'batch must be an object');
  refused(consumer, { batch: {} }, 'TypeError', 'batch.size must be a number');
  refused(consumer, { batch: { size: 'many' } }, 'TypeError', 'batch.size must be a number');
  refused(consumer, { batch: { size: 0 } }, 'RangeError', 'batch.size must be a whole number from 1 on');
  refused(consumer, { batch: { size: 5 } }, 'RangeError', 'batch.size must be at most concurrency, which is 4');
  refused(single, { batch: { size: 2 } }, 'RangeError', 'batch.size must be at most concurrency, which is 1');
  refused(consumer, { batch: { size: 4, wait: -1 } }, 'RangeError', /^batch\.wait must be a whole number from 0 to /);
  const late = 'batch.wait must be less than deadline, which is 50 ms';
  refused(consumer, { deadline: 50, batch: { size: 4, wait: 50 } }, 'RangeError', late);
  endless.process({ stream: scene.stream, processor() {}, deadline: 0, batch: { size: 5000, wait: 60_000 } });
});
