'use strict';

/* Partitioned streams: the count that all processes agree on, the way of a key, and growth. */

const assert = require('node:assert');
const { isSince, ours, oursSince } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { jobsIn, sendsKeepOrder } = require('../support/order-of-sends.js');
const { until } = require('../support/wait-until.js');

/** A consumer that plays partitions of the stream, with the keys and ids of its jobs in order. */
async function play(scene, options, { consumer: of = { concurrency: 8 }, connection } = {}) {
  const consumer = scene.consumer(of, connection);
  const runs = [];
  const processor = async ({ key, id }) => {
    runs.push({ key, id });
  };
  consumer.process({ stream: scene.stream, processor, ...options });
  await consumer.play();
  return { consumer, runs };
}

/** Sends a job for each key, and resolves with the job ids. */
async function sendKeys(producer, stream, given, options) {
  const jobs = await Promise.all(given.map((key) => producer.send({ stream, key, job: producer.job(), ...options })));
  return jobs.map(({ id }) => id);
}

/** Lengths of the partitions in Redis. */
async function lengths(scene, count) {
  const names = Array.from({ length: count }, (_, at) => keys.stream(`${scene.stream}#${at}`));
  return Promise.all(names.map((name) => scene.redis.call('XLEN', name)));
}

ours('a key always leads to the same partition, and is there at the consumer', async (_, scene) => {
  const { runs } = await play(scene, { partitions: 4 });
  const producer = scene.producer();
  const given = Array.from({ length: 40 }, (_, at) => `customer-${at % 10}`);
  const ids = await sendKeys(producer, scene.stream, given, { partitions: 4 });
  await until(() => runs.length === ids.length);
  for (const [at, id] of ids.entries()) assert.strictEqual(runs.find((run) => run.id === id).key, given[at]);
  const counts = await lengths(scene, 5);
  assert.ok(
    counts.slice(0, 4).every((count) => count % 4 === 0),
    `${counts}`,
  );
  assert.strictEqual(counts[4], 0);
});

ours('jobs without a key go round the partitions, and have none', async (_, scene) => {
  const { runs } = await play(scene, { partitions: 4 });
  const producer = scene.producer();
  await sendKeys(producer, scene.stream, Array.from({ length: 40 }), { partitions: 4 });
  await until(() => runs.length === 40);
  assert.deepStrictEqual(await lengths(scene, 4), [10, 10, 10, 10]);
  assert.ok(runs.every(({ key }) => key === undefined));
});

ours('completions, answers and listeners of a partitioned stream have its own name', async (_, scene) => {
  const consumer = scene.consumer({ concurrency: 8 });
  consumer.process({ stream: scene.stream, partitions: 4, processor: async (job) => job.set('answer', job.key) });
  await consumer.play();
  const producer = scene.producer();
  const [own, all] = [[], []];
  producer.on(scene.stream, (_error, id) => own.push(id));
  await producer.listen();
  const listener = scene.producer();
  listener.on(scene.stream, (_error, id) => all.push(id));
  await listener.listen({ stream: scene.stream, partitions: 4 });
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const jobs = await Promise.all(
    names.map((key) => {
      const options = { stream: scene.stream, partitions: 4, waitFor: [scene.group], returns: ['answer'] };
      return producer.send({ ...options, key, job: producer.job() });
    }),
  );
  await Promise.all(jobs.map((job) => job.finished(5000)));
  const answers = await Promise.all(jobs.map(async (job) => (await job.get('answer', false).pull()).answer));
  assert.deepStrictEqual(answers, names);
  await until(() => own.length === 6 && all.length === 6);
});

ours('the sends to a partitioned stream cost one question', async (_, scene) => {
  const monitor = await scene.monitor();
  const producer = scene.producer();
  await sendKeys(producer, scene.stream, Array(50).fill('one'), { partitions: 8 });
  await sendKeys(producer, scene.stream, Array(50).fill('one'), { partitions: 8 });
  const ids = (await sendKeys(producer, scene.stream, Array(50).fill('one'), { partitions: 8 })).length;
  assert.strictEqual(ids, 50);
  // The count is read, declared and read again.
  assert.strictEqual((await monitor.named('GET')).length, 2);
  assert.strictEqual((await monitor.named('APPEND')).length, 1);
  assert.strictEqual((await monitor.named('XADD')).length, 150);
});

ours('sends to a partitioned stream keep their order while some of them wait for the count', async (_, scene) => {
  const readJobs = async (stream) => {
    const each = await Promise.all([0, 1].map((at) => jobsIn(scene, keys.stream(`${stream}#${at}`))));
    return each.flat();
  };
  await sendsKeepOrder(scene, scene.connect(), { jobsIn: readJobs, options: { partitions: 2, key: 'k' } });
});

ours('values of the first send are those of its call', async (_, scene) => {
  const producer = scene.producer();
  const bytes = Buffer.from('before');
  const job = producer.job().set('value', bytes);
  const sent = producer.send({ stream: scene.stream, partitions: 2, key: 'k', job });
  bytes.fill(0);
  job.set('late', 'x');
  await sent;
  const { value, late } = await producer.job(job.id).get('value').get('late').pull();
  assert.deepStrictEqual([value.toString(), late], ['before', null]);
});

ours('a group misses no job of the partitions that are added while it plays', async (_, scene) => {
  const { consumer, runs } = await play(scene, { partitions: 2 });
  const small = scene.producer();
  await sendKeys(small, scene.stream, ['a', 'b', 'c'], { partitions: 2 });
  // A group that plays no more has all jobs too.
  const other = await play(scene, { partitions: 2 }, { consumer: { group: `${scene.group}-late`, concurrency: 8 } });
  await other.consumer.pause();
  const given = Array.from({ length: 60 }, (_, at) => `key-${at}`);
  const ids = await sendKeys(scene.producer(scene.connect()), scene.stream, given, { partitions: 6 });
  const counts = await lengths(scene, 6);
  assert.ok(
    counts.every((count) => count > 0),
    `${counts}`,
  );
  await until(() => runs.length === 63, { timeout: 15000 });
  const late = await play(scene, { partitions: 2 }, { consumer: { group: `${scene.group}-late`, concurrency: 8 } });
  await until(() => late.runs.length === 60);
  assert.deepStrictEqual(late.runs.map(({ id }) => id).sort(), [...ids].sort());
  const { streams } = await consumer.stats();
  const lag = isSince(7) ? 0 : null;
  assert.deepStrictEqual(streams, [{ stream: scene.stream, group: scene.group, lag, pending: 0, delayed: 0 }]);
});

ours('a growth does not set the groups of the old partitions to their start again', async (_, scene) => {
  const { runs } = await play(scene, { partitions: 2, fromId: '0', setId: true });
  await sendKeys(scene.producer(), scene.stream, ['a', 'b', 'c', 'd'], { partitions: 2 });
  await until(() => runs.length === 4);
  const given = Array.from({ length: 30 }, (_, at) => `key-${at}`);
  await sendKeys(scene.producer(scene.connect()), scene.stream, given, { partitions: 6 });
  await until(() => runs.length >= 34, { timeout: 15000 });
  const ids = new Set(runs.map(({ id }) => id));
  assert.deepStrictEqual([runs.length, ids.size], [34, 34]);
});

ours('a lower count does not shrink a stream', async (_, scene) => {
  const { runs } = await play(scene, { partitions: 4 });
  const given = Array.from({ length: 20 }, (_, at) => `key-${at}`);
  await sendKeys(scene.producer(scene.connect()), scene.stream, given, { partitions: 1 });
  await until(() => runs.length === 20);
  assert.ok((await lengths(scene, 4)).every((count) => count > 0));
});

oursSince(7)('stats() and trimmed name the stream, with the sums of its partitions', async (_, scene) => {
  const gate = new Gate();
  const consumer = scene.consumer({ concurrency: 2 });
  consumer.process({ stream: scene.stream, partitions: 3, processor: () => gate.opened });
  const before = await consumer.stats();
  assert.deepStrictEqual(before.streams, [
    { stream: scene.stream, group: scene.group, lag: null, pending: null, delayed: null },
  ]);
  await consumer.play();
  await sendKeys(scene.producer(), scene.stream, Array.from({ length: 12 }), { partitions: 3 });
  await until(async () => {
    const [{ lag, pending }] = (await consumer.stats()).streams;
    return lag + pending === 12 && pending >= 2;
  });
  gate.open();
});

ours('a dead letter of a partition keeps its key, and is replayed to its partition', async (_, scene) => {
  const consumer = scene.consumer({ deadLetter: `${scene.stream}-dead`, retryLimit: 1 });
  let failures = 1;
  const runs = [];
  consumer.process({
    stream: scene.stream,
    partitions: 3,
    processor: async (job) => {
      runs.push(job.key);
      if (failures-- > 0) throw new Error('no');
    },
  });
  await consumer.play();
  await sendKeys(scene.producer(), scene.stream, ['k1'], { partitions: 3 });
  const { DeadLetters } = scene.hfxbus;
  const letters = new DeadLetters(consumer.connection, `${scene.stream}-dead`);
  await until(async () => (await letters.list()).length === 1);
  await letters.replay((await letters.list())[0]);
  await until(() => runs.length === 2);
  assert.deepStrictEqual(runs, ['k1', 'k1']);
});

ours('refused partitions, keys and routes say what is wrong', async (_, scene) => {
  const producer = scene.producer();
  const send = (options) => producer.send({ stream: scene.stream, job: producer.job(), ...options });
  await assert.rejects(send({ partitions: 0 }), { name: 'RangeError', message: /partitions must be/ });
  await assert.rejects(send({ partitions: 4097 }), { name: 'RangeError', message: /1 to 4096/ });
  await assert.rejects(send({ key: 'x'.repeat(513) }), { name: 'RangeError', message: /512 bytes/ });
  await assert.rejects(send({ key: {} }), { name: 'TypeError', message: /key must be a string/ });
  await assert.rejects(send({ partitions: 2, route: 'r' }), { name: 'TypeError', message: /route/ });
  await assert.rejects(producer.listen({ stream: scene.stream, partitions: 'x' }), { name: 'TypeError' });
});
