'use strict';

/* Middleware, contracts and codecs that misbehave, and connections and consumers that fail under them. */

const assert = require('node:assert');
const z = require('zod');
const { defineStream } = require('../../index.js');
const { ours } = require('../support/cases.js');
const { until } = require('../support/wait-until.js');

/** Middleware by the way in which it misbehaves. */
const MANNERS = {
  'throws at once': () => {
    throw new Error('at once');
  },
  'throws nothing': async () => {
    throw undefined;
  },
  'never ends': () => new Promise(() => {}),
  'calls next() twice at once': (_job, next) => Promise.all([next(), next()]),
  'calls next() and throws': (_job, next) => {
    next();
    throw new Error('beside it');
  },
  'calls next() after its end': (_job, next) => void setImmediate(next),
  'gives a thenable that settles twice': (_job, next) => ({
    // biome-ignore lint/suspicious/noThenProperty: this is what it is about
    then: (resolve, reject) => {
      next().then(resolve, reject);
      reject(new Error('also'));
    },
  }),
  'settles the job itself': async (job, next) => {
    await job.resolve();
    await next();
  },
  'freezes the job': (job, next) => next(Object.freeze(job)),
  'has a getter for then that throws': () =>
    Object.defineProperty({}, 'then', {
      get: () => {
        throw new Error('in then');
      },
    }),
};

ours('middleware of a consumer that misbehaves costs no slot and crashes nothing', async (_, scene) => {
  const names = Object.keys(MANNERS);
  const consumer = scene.consumer({ concurrency: 8 });
  const errors = scene.errors(consumer);
  consumer.use((_job, next) => next());
  consumer.use((job, next) => (job.id.startsWith('fine') ? next() : MANNERS[names[job.id.split('-')[1]]](job, next)));
  let runs = 0;
  const processor = async (job) => {
    runs++;
    if (job.id.startsWith('odd') && runs % 2 === 0) throw new Error('of the processor');
  };
  consumer.process({ stream: scene.stream, processor, deadline: 100 });
  await consumer.play();
  const producer = scene.producer();
  const send = (id) => ({ stream: scene.stream, job: producer.job(id), waitFor: [scene.group] });
  const sends = names.flatMap((_name, at) => [0, 1, 2].map((turn) => send(`odd-${at}-${turn}`)));
  const jobs = await producer.sendAll(sends);
  await Promise.all(jobs.map((job) => job.finished(10_000)));
  const fine = await producer.sendAll(Array.from({ length: 16 }, (_, at) => send(`fine-${at}`)));
  const outcomes = await Promise.all(fine.map((job) => job.finished(10_000)));
  assert.ok(outcomes.every((outcome) => outcome[scene.group] instanceof Date));
  await until(async () => (await consumer.stats()).inFlight === 0);
  assert.strictEqual((await consumer.stats()).availableSlots, 8);
  assert.deepStrictEqual([...new Set(errors.map(({ code }) => code))].sort(), [
    'NEXT_CALLED_LATE',
    'UNHANDLED_JOB_ERROR',
  ]);
});

ours('middleware of a producer that misbehaves settles each send', async (_, scene) => {
  const producer = scene.producer();
  const names = Object.keys(MANNERS).filter((name) => !['never ends', 'settles the job itself'].includes(name));
  producer.use((_job, next) => next());
  producer.use((job, next) => MANNERS[job.id](job, next));
  const settled = [];
  for (const id of names) {
    const [result] = await Promise.allSettled([producer.send({ stream: scene.stream, job: producer.job(id) })]);
    settled.push([id, result.status]);
  }
  const together = await producer
    .sendAll(names.map((id) => ({ stream: scene.stream, job: producer.job(id) })))
    .catch((error) => error.results.map(({ status }) => status));
  assert.deepStrictEqual(Object.fromEntries(settled.filter(([, status]) => status === 'fulfilled')), {
    'freezes the job': 'fulfilled',
  });
  assert.deepStrictEqual(
    together,
    settled.map(([, status]) => status),
  );
});

ours('schemas that misbehave reject sends, and fail jobs', async (_, scene) => {
  const schemas = {
    throws: () => {
      throw new RangeError('of the schema');
    },
    rejects: async () => {
      throw new RangeError('of the schema');
    },
    'gives nothing': () => undefined,
    'has odd issues': () => ({ issues: [{}, { path: [{ key: Symbol('s') }, 3, 'x'.repeat(1000)] }] }),
  };
  for (const [name, validate] of Object.entries(schemas)) {
    let isOdd = true;
    const schema = {
      '~standard': { version: 1, vendor: 'test', validate: (value) => (isOdd ? validate() : { value }) },
    };
    const stream = scene.name('stream');
    const contract = defineStream({ name: stream, payload: { k: schema } });
    const producer = scene.producer();
    await assert.rejects(contract.send(producer, { k: 1 }), name);
    assert.strictEqual(await scene.length(stream), 0);
    const consumer = scene.consumer();
    contract.process(consumer, { group: scene.group, processor: (job) => job.pull() });
    await consumer.play();
    isOdd = false;
    const sending = contract.send(producer, { k: 1 }, { waitFor: [scene.group] });
    isOdd = true;
    const sent = await sending;
    const { status, reason } = (await sent.finished(8000))[scene.group];
    assert.deepStrictEqual([status, typeof reason.message], ['rejected', 'string'], name);
  }
});

ours('jobs with all of them survive cut connections and consumers that end', async (_, scene) => {
  const COUNT = 200;
  const mask = (value) => value.map((byte) => byte ^ 85);
  const codec = { name: 'mask', encode: mask, decode: mask };
  const contract = defineStream({
    name: scene.stream,
    payload: { n: z.number() },
    results: { [scene.group]: { square: z.number() } },
  });
  const runs = new Map();
  const headersOf = new Map();
  const start = async (connection) => {
    const options = { concurrency: 10, claimInterval: 50, claimDeadline: 200 };
    const consumer = scene.consumer(options, connection).useCodec(codec);
    consumer.use((job, next, { headers }) => {
      headersOf.set(job.id, headers.n);
      return next();
    });
    const processor = async (job) => {
      const { n } = await job.pull();
      runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
      return { square: n * n };
    };
    contract.process(consumer, { group: scene.group, processor });
    scene.errors(consumer);
    await consumer.play();
  };
  const ending = scene.connect();
  await start(ending);
  await start(scene.connect());
  const producer = scene.producer().useCodec(codec);
  producer.use((job, next, { headers }) => {
    headers.n = job.id;
    return next();
  });
  const jobs = [];
  for (let n = 0; n < COUNT; n++) {
    if (n % 40 === 20) await scene.redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    if (n === COUNT / 2) await ending.stop({ force: true });
    const options = { jobId: `job-${n}`, waitFor: [scene.group], durable: true, payload: 'entry' };
    jobs.push(await contract.send(producer, { n }, options));
  }
  const outcomes = await Promise.all(jobs.map((job) => job.finished(15_000)));
  assert.deepStrictEqual(
    outcomes.map((outcome) => outcome[scene.group].value?.square),
    jobs.map((_job, n) => n * n),
  );
  assert.strictEqual(runs.size, COUNT);
  assert.ok(jobs.every(({ id }) => headersOf.get(id) === id));
});
