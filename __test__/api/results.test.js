'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** Sends a job that is awaited from the case's group. */
async function sent(scene, options) {
  const producer = scene.producer(options?.connection);
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group], ...options });
  return { producer, job };
}

/** Reads a result to its end. */
async function all(results) {
  const chunks = [];
  for await (const chunk of results) chunks.push(chunk);
  return chunks;
}

const valuesOf = (chunks) => chunks.map(({ value }) => value);

/** A reader of a result whose chunks can be looked at. */
function follow(results) {
  const chunks = [];
  const ended = (async () => {
    for await (const chunk of results) chunks.push(chunk);
  })();
  const failure = ended.then(
    () => null,
    (error) => error,
  );
  return { chunks, ended, failure };
}

ours('chunks arrive in order, with their types, up to the settlement', async (_, scene) => {
  const values = ['Hel', 'lo', { n: 1 }, [1, 2], 7, null, false, '', Buffer.from([0, 255, 10]), Buffer.alloc(0)];
  await scene.play(async (job) => {
    for (const value of values) await job.emit(value);
  });
  const { job } = await sent(scene);
  const chunks = await all(job.results());
  assert.deepStrictEqual(valuesOf(chunks), values);
  assert.ok(chunks.every(({ delivery, restarted }) => delivery === 1 && restarted === false));
  assert.deepStrictEqual(valuesOf(await all(job.results())), values, 'later readers get them too');
  assert.ok((await job.finished())[scene.group] instanceof Date);
});

ours('a chunk arrives while its job runs', async (_, scene) => {
  const gates = [new Gate(), new Gate()];
  await scene.play(async (job) => {
    await job.emit('first');
    await gates[0].opened;
    await job.emit('second');
    await gates[1].opened;
  });
  const { job } = await sent(scene);
  const results = job.results();
  assert.strictEqual((await results.next()).value.value, 'first');
  gates[0].open();
  assert.strictEqual((await results.next()).value.value, 'second');
  gates[1].open();
  assert.deepStrictEqual(await results.next(), { done: true, value: undefined });
});

ours('another process reads a result by the id of its job', async (_, scene) => {
  const gate = new Gate();
  await scene.play(async (job) => {
    await job.emit(1);
    await gate.opened;
    await job.emit(2);
  });
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job() });
  const other = scene.producer(scene.connect());
  const { chunks, ended } = follow(other.results({ stream: scene.stream, group: scene.group, id: job.id }));
  await until(() => chunks.length === 1);
  gate.open();
  await ended;
  assert.deepStrictEqual(valuesOf(chunks), [1, 2]);
});

ours('a reader resumes behind a chunk, and behind the last one ends at once', async (_, scene) => {
  await scene.play(async (job) => {
    for (let value = 0; value < 5; value++) job.emit(value);
  });
  const { job } = await sent(scene);
  const chunks = await all(job.results());
  assert.deepStrictEqual(valuesOf(await all(job.results({ from: chunks[2].id }))), [3, 4]);
  assert.deepStrictEqual(await all(job.results({ from: chunks[4].id })), []);
});

ours('chunks of one tick leave in one transaction, and a reader at the end needs no read', async (_, scene) => {
  const gate = new Gate();
  await scene.play(async (job) => {
    await gate.opened;
    await Promise.all([1, 2, 3].map((value) => job.emit(value)));
  });
  const { job } = await sent(scene);
  const monitor = await scene.monitor();
  const { ended } = follow(job.results());
  const names = async () => (await monitor.commands()).map(([name]) => name.toLowerCase());
  await until(async () => (await names()).includes('xrange'));
  const before = (await names()).length;
  gate.open();
  await ended;
  await until(async () => (await names()).includes('xack'));
  const later = (await names()).slice(before);
  assert.deepStrictEqual(
    later.slice(0, later.indexOf('xack')).filter((name) => name !== 'xreadgroup' && name !== 'unsubscribe'),
    ['multi', 'xadd', 'xadd', 'xadd', 'pexpire', 'publish', 'exec', 'multi', 'xadd', 'pexpire', 'publish', 'exec'],
  );
});

ours('a rejected job ends its result with the error, and a reader behind it gets the next run', async (_, scene) => {
  let runs = 0;
  await scene.play(
    async (job) => {
      runs++;
      await job.emit(`run ${runs}`);
      if (runs === 1) throw Object.assign(new Error('no'), { code: 'NO' });
    },
    { claimInterval: 20, claimDeadline: 60, retryLimit: 3 },
  );
  const { job } = await sent(scene);
  const { chunks, failure } = follow(job.results());
  const error = await failure;
  assert.strictEqual(error.code, 'RESULT_FAILED');
  assert.strictEqual(error.reason.code, 'NO');
  assert.deepStrictEqual([error.stream, error.group, error.job], [scene.stream, scene.group, job.id]);
  assert.deepStrictEqual(valuesOf(chunks), ['run 1']);
  const next = await all(job.results({ from: error.id }));
  assert.deepStrictEqual(
    next.map(({ value, delivery, restarted }) => [value, delivery, restarted]),
    [['run 2', 2, true]],
  );
  const whole = await all(job.results());
  assert.deepStrictEqual(valuesOf(whole), ['run 1', 'run 2'], 'a later run counts');
});

ours('a job without chunks ends its result by the completion', async (_, scene) => {
  const gate = new Gate();
  await scene.play(() => gate.opened);
  const { job } = await sent(scene);
  const { chunks, ended } = follow(job.results());
  gate.open();
  await ended;
  assert.deepStrictEqual(chunks, []);
});

ours('a job that fails without chunks ends its result by the completion', async (_, scene) => {
  await scene.play(async () => {
    throw new Error('no');
  });
  const { job } = await sent(scene);
  const error = await follow(job.results()).failure;
  assert.strictEqual(error.code, 'RESULT_FAILED');
  assert.strictEqual(error.reason.message, 'no');
});

ours('a result ends for a reader without a wait after its job has reached its deadline', async (_, scene) => {
  const gate = new Gate();
  await scene.play(
    async (job) => {
      await job.emit(1);
      await gate.opened;
    },
    { deadline: 100 },
  );
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job() });
  const { stream, group } = scene;
  const error = await follow(producer.results({ stream, group, id: job.id })).failure;
  assert.strictEqual(error.reason.code, 'DEADLINE_TIMEOUT');
  gate.open();
});

ours('a reader ends by its signal, its timeout, return() and the end of its producer', async (_, scene) => {
  const { stream, group } = scene;
  const producer = scene.producer();
  const about = { stream, group, id: 'nobody' };
  const controller = new AbortController();
  const aborted = follow(producer.results({ ...about, signal: controller.signal }));
  controller.abort(new Error('enough'));
  assert.strictEqual((await aborted.failure).message, 'enough');
  assert.strictEqual((await follow(producer.results({ ...about, timeout: 20 })).failure).code, 'RESULT_TIMEOUT');
  const results = producer.results(about);
  const next = results.next();
  await results.return();
  assert.deepStrictEqual(await next, { done: true, value: undefined });
  const closed = follow(producer.results(about));
  const stopped = follow(scene.producer().results(about));
  await until(async () => (await scene.redis.call('PUBSUB', 'CHANNELS', `hfxbus:res:${scene.stream}:*`)).length === 1);
  await producer.close();
  assert.strictEqual((await closed.failure).code, 'CONNECTION_CLOSED');
  await scene.connection.stop();
  assert.strictEqual((await stopped.failure).code, 'CONNECTION_CLOSED');
  await until(async () => (await scene.redis.call('PUBSUB', 'CHANNELS', `hfxbus:res:${scene.stream}:*`)).length === 0);
});

ours('the last reader of a result ends its subscription', async (_, scene) => {
  const producer = scene.producer();
  const about = { stream: scene.stream, group: scene.group, id: 'nobody' };
  const readers = [producer.results(about), producer.results(about)];
  const pending = readers.map((results) => results.next());
  const channels = () => scene.redis.call('PUBSUB', 'CHANNELS', `hfxbus:res:${scene.stream}:*`);
  await until(async () => (await channels()).length === 1);
  await readers[0].return();
  assert.deepStrictEqual(await channels(), [keys.result(scene.stream, scene.group, 'nobody')]);
  await readers[1].return();
  await until(async () => (await channels()).length === 0);
  await Promise.all(pending);
});

ours('a slow reader gets every chunk, and keeps a bounded number of them', async (_, scene) => {
  const count = 5000;
  await scene.play(async (job) => {
    for (let value = 0; value < count; value += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, more) => job.emit(value + more)));
    }
  });
  const { job } = await sent(scene);
  const values = [];
  for await (const { value } of job.results()) {
    values.push(value);
    if (values.length === 1) await job.finished();
  }
  assert.deepStrictEqual(
    values,
    Array.from({ length: count }, (_, value) => value),
  );
});

ours('large chunks are read from the stream', async (_, scene) => {
  const values = Array.from({ length: 20 }, (_, at) => Buffer.alloc(100_000, at));
  await scene.play(async (job) => {
    for (const value of values) await job.emit(value);
  });
  const { job } = await sent(scene);
  assert.deepStrictEqual(valuesOf(await all(job.results())), values);
});

ours('Redis keeps a result for its time and up to its length, and a reader sees what was trimmed', async (_, scene) => {
  const { stream, group, redis } = scene;
  const consumer = scene.consumer();
  consumer.process({
    stream,
    results: { capped: 100, ttl: 60_000 },
    processor: async (job) => {
      for (let value = 0; value < 1000; value++) job.emit(value);
    },
  });
  await consumer.play();
  const { job } = await sent(scene);
  await job.finished();
  const key = keys.result(stream, group, job.id);
  const ttl = await redis.call('PTTL', key);
  assert.ok(ttl > 30_000 && ttl <= 60_000, `${ttl}`);
  const length = await redis.call('XLEN', key);
  assert.ok(length < 500, `${length}`);
  const error = await follow(job.results()).failure;
  assert.strictEqual(error.code, 'RESULT_TRIMMED');
  const gaps = [];
  const values = valuesOf(await all(job.results({ onTrimmed: (gap) => gaps.push(gap) })));
  assert.strictEqual(values.length, length - 1);
  assert.strictEqual(values.at(-1), 999);
  assert.deepStrictEqual(gaps, [{ stream, group, job: job.id, after: '0-0', oldest: error.oldest }]);
  await redis.call('DEL', key);
  const gone = await follow(job.results({ from: error.oldest })).failure;
  assert.strictEqual(gone.code, 'RESULT_TRIMMED');
});

ours('a chunk that Redis refuses fails its job', async (_, scene) => {
  const { redis, stream, group } = scene;
  const gate = new Gate();
  let refusal = null;
  await scene.play(async (job) => {
    await job.emit(1);
    await gate.opened;
    refusal = await job.emit(2).catch((error) => error);
  });
  const { job } = await sent(scene);
  const { chunks, failure } = follow(job.results());
  await until(() => chunks.length === 1);
  const key = keys.result(stream, group, job.id);
  await redis.call('DEL', key);
  await redis.call('SET', key, 'not a stream');
  gate.open();
  const completions = await job.finished();
  assert.strictEqual(refusal.code, 'WRONGTYPE');
  assert.match(completions[group].message, /WRONGTYPE/);
  assert.strictEqual((await failure).code, 'WRONGTYPE');
});

ours('unawaited chunks are bounded', async (_, scene) => {
  await scene.play(async (job) => {
    for (let at = 0; at < 1001; at++) job.emit(at);
  });
  const { job } = await sent(scene);
  const completions = await job.finished();
  assert.strictEqual(completions[scene.group].code, 'QUEUE_FULL');
  assert.match(completions[scene.group].message, /await emit/);
});

ours('emit() and results() refuse what they cannot do', async (_, scene) => {
  const producer = scene.producer();
  await assert.rejects(producer.job().emit(1), { name: 'TypeError', message: /received job/ });
  assert.throws(() => producer.job().results(), { name: 'TypeError', message: /waitFor/ });
  assert.throws(() => producer.results({ stream: 's', group: 'g' }), { name: 'TypeError', message: /id/ });
  assert.throws(() => producer.results({ stream: 's', id: 'i' }), { name: 'TypeError', message: /group/ });
  const about = { stream: 's', group: 'g', id: 'i' };
  assert.throws(() => producer.results({ ...about, from: 'x' }), { name: 'RangeError', message: /from/ });
  assert.throws(() => producer.results({ ...about, timeout: -1 }), { name: 'RangeError', message: /timeout/ });
  assert.throws(() => producer.results({ ...about, signal: 1 }), { name: 'TypeError', message: /signal/ });
  const consumer = scene.consumer();
  const process = (results) => consumer.process({ stream: 's', processor: () => {}, results });
  assert.throws(() => process({ capped: 0 }), { name: 'RangeError', message: /results.capped/ });
  assert.throws(() => process({ ttl: 0 }), { name: 'RangeError', message: /results.ttl/ });
  let late;
  await scene.play(async (job) => {
    await assert.rejects(job.emit(Promise.resolve(1)), { code: 'PAYLOAD_NOT_JSON' });
    await job.resolve();
    late = await job.emit(1).catch((error) => error);
  });
  const { job } = await sent(scene);
  await job.finished();
  await until(() => late);
  assert.strictEqual(late.code, 'RESULT_CLOSED');
});

ours('codecs encode the values of chunks', async (_, scene) => {
  const codec = {
    name: 'flip',
    encode: (bytes) => bytes.map((byte) => byte ^ 255),
    decode: (bytes) => bytes.map((byte) => byte ^ 255),
  };
  const consumer = scene.consumer().useCodec(codec);
  consumer.process({
    stream: scene.stream,
    processor: async (job) => {
      await job.emit({ secret: 1 });
      await job.emit(Buffer.from('bytes'));
    },
  });
  await consumer.play();
  const producer = scene.producer().useCodec(codec);
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  assert.deepStrictEqual(valuesOf(await all(job.results())), [{ secret: 1 }, Buffer.from('bytes')]);
  const plain = scene.producer().results({ stream: scene.stream, group: scene.group, id: job.id });
  assert.strictEqual((await follow(plain).failure).code, 'PAYLOAD_CODEC_MISSING');
});

ours('results of partitions and of batches belong to their stream and job', async (_, scene) => {
  const { stream, group } = scene;
  const consumer = scene.consumer({ concurrency: 10 });
  consumer.process({
    stream,
    partitions: 3,
    batch: { size: 3, wait: 20 },
    processor: async (jobs) => {
      for (const job of jobs) await job.emit(job.id);
    },
  });
  await consumer.play();
  const producer = scene.producer();
  const jobs = await Promise.all(
    [1, 2, 3, 4].map(() => producer.send({ stream, partitions: 3, job: producer.job(), waitFor: [group] })),
  );
  for (const job of jobs) assert.deepStrictEqual(valuesOf(await all(job.results())), [job.id]);
});
