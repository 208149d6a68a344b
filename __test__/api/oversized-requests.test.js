'use strict';

/* Calls whose commands exceed maxQueuedCommands or maxQueuedBytes by themselves, so that they can never be sent. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { Gate } = require('../support/latch.js');
const { until } = require('../support/wait-until.js');

const LIMIT = { maxQueuedCommands: 5, maxQueuedBytes: 20_000 };
/** Values of jobs whose send has too many commands, or too many bytes. */
const PAYLOADS = {
  'too many commands': Object.fromEntries(Array.from({ length: 5 }, (_, at) => [`key-${at}`, at])),
  'too many bytes': { one: Buffer.alloc(15_000), other: Buffer.alloc(15_000) },
};
const TOO_LARGE = { code: 'REQUEST_TOO_LARGE' };

/** A job with set values. */
function jobWith(producer, values) {
  const job = producer.job();
  for (const [key, value] of Object.entries(values)) job.set(key, value);
  return job;
}

/** Number of keys in Redis that have to do with jobs. */
async function count(redis, jobs, names) {
  return redis.call('EXISTS', ...jobs.flatMap((job) => names.map((name) => keys.payload(job.id, name))));
}

for (const [kind, values] of Object.entries(PAYLOADS)) {
  const names = Object.keys(values);

  ours(`a send with ${kind} is rejected at once, and the sends beside it leave`, async (_, scene) => {
    const producer = scene.producer(scene.connect(LIMIT));
    const job = jobWith(producer, values);
    const [before, after] = [producer.job(), producer.job().set('key', 'value')];
    const sends = [before, job, after].map((one) => producer.send({ stream: scene.stream, job: one }));
    const [first, refused, last] = await Promise.allSettled(sends);
    assert.deepStrictEqual(
      [first.status, refused.reason?.code, last.status],
      ['fulfilled', TOO_LARGE.code, 'fulfilled'],
    );
    assert.match(refused.reason.message, /maxQueuedCommands and maxQueuedBytes/);
    assert.deepStrictEqual([await scene.length(), await count(scene.redis, [job], names)], [2, 0]);
    // The values are in the job again.
    await scene.producer().send({ stream: scene.stream, job });
    assert.deepStrictEqual([await scene.length(), await count(scene.redis, [job], names)], [3, names.length]);
  });

  for (const waitFor of [null, ['group']]) {
    ours(`a send with ${kind} is rejected without Redis (waitFor: ${waitFor})`, async (_, scene) => {
      const connection = scene.connect({ ...LIMIT, port: 1, maxRetriesPerRequest: null, retryStrategy: () => 20 });
      const producer = scene.producer(connection);
      const job = jobWith(producer, values);
      await assert.rejects(producer.send({ stream: scene.stream, job, waitFor }), TOO_LARGE);
      const given = ['a', 'b', 'c', 'd'].map((id) => ({ stream: scene.stream, job: producer.job(id), waitFor }));
      if (kind === 'too many bytes') given.splice(1, 3, { stream: scene.stream, job, waitFor });
      const error = await producer.sendAll(given, { atomic: true }).then(assert.fail, (reason) => reason);
      assert.deepStrictEqual([...new Set(error.errors.map(({ code }) => code))], [TOO_LARGE.code]);
      const { inFlight, waiting } = await producer.stats();
      assert.deepStrictEqual([inFlight, waiting], [0, 0]);
    });
  }

  ours(`a push with ${kind} is rejected at once, and the calls beside it leave`, async (_, scene) => {
    const producer = scene.producer(scene.connect(LIMIT));
    const [job, other] = [jobWith(producer, { ...values, last: 1 }), producer.job().set('key', 1)];
    const [refused, written] = await Promise.allSettled([job.push(), other.push()]);
    assert.deepStrictEqual([refused.reason?.code, written.status], [TOO_LARGE.code, 'fulfilled']);
    assert.strictEqual(await count(scene.redis, [job, other], [...names, 'key']), 1);
  });

  ours(`a job whose settlement has ${kind} fails alone`, async (_, scene) => {
    const ending = new Gate();
    let running = 0;
    const processor = async (job) => {
      running++;
      await ending.opened;
      for (const [key, value] of Object.entries(job.id === 'bad' ? values : { small: 1 })) job.set(key, value);
    };
    const connection = scene.connect({ ...LIMIT, maxQueuedCommands: 7 });
    const consumer = await scene.play(processor, { connection, concurrency: 2 });
    const errors = scene.errors(consumer);
    const producer = scene.producer();
    for (const id of ['a', 'bad']) await producer.send({ stream: scene.stream, job: producer.job(id) });
    await until(() => running === 2);
    ending.open();
    await consumer.pause();
    assert.deepStrictEqual(
      errors.map(({ code, message, job }) => [code, /maxQueuedCommands/.test(message), job.id]),
      [['REJECT_JOB_ERROR', true, 'bad']],
    );
    const all = ['a', 'bad'].map((id) => ({ id }));
    assert.deepStrictEqual([await scene.pending(), await count(scene.redis, all, [...names, 'small'])], [1, 1]);
  });
}

ours('sendAll() rejects each job that can never be sent, and sends the others', async (_, scene) => {
  const producer = scene.producer(scene.connect(LIMIT));
  const given = Object.values(PAYLOADS).map((values) => ({ stream: scene.stream, job: jobWith(producer, values) }));
  given.splice(1, 0, { stream: scene.stream, job: producer.job('small') });
  const error = await producer.sendAll(given).then(assert.fail, (reason) => reason);
  const outcomes = error.results.map(({ status, reason }) => reason?.code ?? status);
  assert.deepStrictEqual(outcomes, [TOO_LARGE.code, 'fulfilled', TOO_LARGE.code]);
  assert.strictEqual(await scene.length(), 1);
});

for (const [kind, { limit, values }] of Object.entries({
  'more jobs than maxQueuedCommands': { limit: { maxQueuedCommands: 8 }, values: {} },
  'more payload keys than maxQueuedCommands': { limit: { maxQueuedCommands: 16 }, values: { a: 1, b: 2 } },
  'more than maxQueuedBytes': { limit: { maxQueuedBytes: 40_000 }, values: { large: 'x'.repeat(2000) } },
})) {
  ours(`sendAll() of ${kind} sends all jobs in their order`, async (_, scene) => {
    const producer = scene.producer(scene.connect(limit));
    const given = Array.from({ length: 50 }, () => ({ stream: scene.stream, job: jobWith(producer, values) }));
    const ids = given.map(({ job }) => job.id);
    const sending = producer.sendAll(given);
    // The jobs' values leave as they are now.
    for (const { job } of given) job.set('later', 1);
    assert.deepStrictEqual(
      (await sending).map(({ id }) => id),
      ids,
    );
    const entries = await scene.redis.call('XRANGE', keys.stream(scene.stream), '-', '+');
    assert.deepStrictEqual(
      entries.map(([, fields]) => fields[fields.indexOf('job') + 1]),
      ids,
    );
    const names = Object.keys(values);
    const jobs = given.map(({ job }) => job);
    assert.strictEqual(await count(scene.redis, jobs, [...names, 'later']), 50 * names.length);
    const { sent, failed, inFlight } = await producer.stats();
    assert.deepStrictEqual([sent, failed, inFlight], [50, 0, 0]);
  });
}

ours('sendAll() of more jobs than fit waits for Redis, and ends with the bus', async (_, scene) => {
  const redis = await scene.server();
  const patient = { maxRetriesPerRequest: null, retryStrategy: () => 20 };
  const connect = () => scene.connect({ ...redis.options, ...patient, maxQueuedCommands: 8 });
  const [connection, stopped] = [connect(), connect()];
  for (const one of [connection, stopped]) await one.getClient('mine').ping();
  redis.crash();
  const jobs = (producer) => Array.from({ length: 50 }, () => ({ stream: scene.stream, job: producer.job() }));
  const [producer, other] = [scene.producer(connection), scene.producer(stopped)];
  const sending = producer.sendAll(jobs(producer));
  const ending = other.sendAll(jobs(other)).then(assert.fail, (reason) => reason);
  await stopped.stop({ force: true });
  const error = await ending;
  assert.deepStrictEqual([error.errors.length, error.cause.code], [50, 'CONNECTION_CLOSED']);
  await redis.start();
  await sending;
  assert.strictEqual(await scene.length(scene.stream, redis), 50);
});

ours('on several nodes and a Cluster sendAll() of more than fits sends all jobs', async (_, scene) => {
  const [nodes, cluster] = await Promise.all([scene.nodes(), scene.cluster()]);
  const limit = { maxQueuedCommands: 8 };
  for (const connection of [
    scene.partition(nodes, { each: nodes.map(() => limit) }),
    scene.connectCluster(cluster, { redisOptions: limit }),
  ]) {
    const producer = scene.producer(connection);
    const given = Array.from({ length: 30 }, () => ({ stream: scene.stream, job: jobWith(producer, { a: 1, b: 2 }) }));
    const sent = await producer.sendAll(given);
    assert.strictEqual(sent.length, 30);
  }
});
