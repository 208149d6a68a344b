'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { OK, reply } = require('../support/fake-redis.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** Starts a consumer with prefetched payload keys, and collects the results of its processor. */
async function play(scene, prefetch, processor, { connection, ...options } = {}) {
  const consumer = scene.consumer({ concurrency: 4, ...options }, connection);
  const seen = new Map();
  const errors = scene.errors(consumer);
  consumer.process({
    stream: scene.stream,
    prefetch,
    processor: async (job) => {
      seen.set(job.id, await processor(job));
    },
  });
  await consumer.play();
  return { seen, errors };
}

/** Sends a job with a payload in keys only, and waits for its end. */
async function send(scene, payload, { connection, id } = {}) {
  const producer = scene.producer(connection);
  const job = producer.job(id);
  for (const [key, value] of Object.entries(payload)) job.set(key, value);
  await job.push();
  await producer.send({ stream: scene.stream, job, waitFor: [scene.group], carry: false });
  await job.finished(10000);
  return job.id;
}

const buffer = (text) => Buffer.from(text);

ours('jobs start with their prefetched payload keys: pull() needs no round trip', async (_, scene) => {
  const { seen } = await play(scene, ['text', 'bytes', 'text'], (job) => job.get('text', false).get('bytes').pull());
  const monitor = await scene.monitor();
  const id = await send(scene, { text: { a: 'ä' }, bytes: buffer('\xff\0') });
  assert.deepStrictEqual(seen.get(id), { text: { a: 'ä' }, bytes: buffer('\xff\0') });
  assert.deepStrictEqual(
    (await monitor.named('MGET', 'GET')).map(([command, ...words]) => [command, ...words]),
    [['MGET', keys.payload(id, 'text'), keys.payload(id, 'bytes')]],
  );
});

ours('one request prefetches for all jobs that arrive together', async (_, scene) => {
  const producer = scene.producer();
  const jobs = Array.from({ length: 4 }, () => producer.job());
  await Promise.all(jobs.map((job) => job.set('key', job.id).push()));
  await Promise.all(jobs.map((job) => producer.send({ stream: scene.stream, job, carry: false })));
  const monitor = await scene.monitor();
  const consumer = scene.consumer({ concurrency: 4 });
  const seen = new Map();
  const processor = async (job) => seen.set(job.id, await job.get('key', false).pull());
  consumer.process({ stream: scene.stream, processor, fromId: '0', prefetch: ['key'] });
  await consumer.play();
  await until(() => seen.size === 4);
  for (const { id } of jobs) assert.deepStrictEqual(seen.get(id), { key: id });
  const gets = await monitor.named('MGET', 'GET');
  assert.deepStrictEqual(
    gets.map((words) => words.length),
    [5],
  );
});

ours('a prefetched key that was missing or of another type is fetched again by pull()', async (_, scene) => {
  const processor = async (job) => {
    const early = await job.get('late', false).get('list', false).get('there', false).pull();
    await scene.redis.call('SET', keys.payload(job.id, 'late'), '1');
    return [early, await job.get('late', false).pull()];
  };
  const { seen } = await play(scene, ['late', 'list', 'there'], processor);
  await scene.redis.call('RPUSH', keys.payload('job-1', 'list'), 'a');
  const id = await send(scene, { there: 2 }, { id: 'job-1' });
  assert.deepStrictEqual(seen.get(id), [{ late: null, there: 2 }, { late: 1 }]);
});

ours(
  'a prefetched value is used once, and never after a push, a removal or a change of the job’s id',
  async (_, scene) => {
    const read = async (job) => (await job.get('key', false).pull()).key;
    const cases = {
      twice: async (job) => {
        const first = await read(job);
        await scene.redis.call('SET', keys.payload(job.id, 'key'), '"other"');
        return [first, await read(job)];
      },
      pushed: async (job) => {
        await job.set('key', 'new').push();
        return read(job);
      },
      removed: async (job) => {
        const { key } = await job.get('key', false).del('key').pull();
        return [key, await read(job)];
      },
      renamed: async (job) => {
        job.id = 'another';
        return read(job);
      },
    };
    const { seen } = await play(scene, ['key'], (job) => cases[job.id](job));
    for (const id of Object.keys(cases)) {
      if (id !== 'renamed') await send(scene, { key: 'old' }, { id });
    }
    const producer = scene.producer();
    const job = producer.job('renamed').set('key', 'old');
    await job.push();
    await producer.send({ stream: scene.stream, job, carry: false });
    await until(() => seen.has('renamed'));
    assert.deepStrictEqual(Object.fromEntries(seen), {
      twice: ['old', 'other'],
      pushed: 'new',
      removed: ['old', null],
      renamed: null,
    });
  },
);

ours('keys that entries carry are not prefetched', async (_, scene) => {
  const producer = scene.producer();
  const name = (id, ...names) => names.map((key) => keys.payload(id, key));
  /** Prefetched keys of each job, by its id, and the option `carry` of its send. */
  const cases = {
    all: { carry: ['one', 'two'], fetched: [] },
    some: { carry: ['two'], fetched: name('some', 'one') },
    none: { carry: false, fetched: name('none', 'one', 'two') },
    entry: { payload: 'entry', fetched: [] },
    missing: { values: { one: 'one' }, fetched: name('missing', 'two') },
  };
  for (const [id, { carry, payload, values = { one: 'one', two: 'two' } }] of Object.entries(cases)) {
    const job = producer.job(id);
    for (const [key, value] of Object.entries(values)) job.set(key, value);
    await producer.send({ stream: scene.stream, job, carry, payload });
  }
  const monitor = await scene.monitor();
  const concurrency = Object.keys(cases).length;
  const consumer = scene.consumer({ concurrency });
  const seen = new Map();
  const processor = async (job) => seen.set(job.id, await job.get('one', false).get('two', false).pull());
  consumer.process({ stream: scene.stream, processor, fromId: '0', prefetch: ['one', 'two'] });
  await consumer.play();
  await until(() => seen.size === concurrency);
  const both = { one: 'one', two: 'two' };
  const missing = { one: 'one', two: null };
  assert.deepStrictEqual(Object.fromEntries(seen), { all: both, some: both, none: both, entry: both, missing });
  const gets = await monitor.named('MGET', 'GET');
  const expected = [
    ['MGET', ...Object.values(cases).flatMap(({ fetched }) => fetched)],
    ['GET', ...name('missing', 'two')],
  ];
  assert.deepStrictEqual(gets, expected);
});

ours('a job whose entry carries all keys starts without a prefetch', async (_, scene) => {
  const { seen } = await play(scene, ['one', 'two'], (job) => job.get('one', false).get('two', false).pull());
  const monitor = await scene.monitor();
  const producer = scene.producer();
  for (const payload of ['keys', 'entry']) {
    const job = producer.job(payload).set('one', 1).set('two', 2);
    await producer.send({ stream: scene.stream, job, payload, waitFor: [scene.group] });
    await job.finished();
    assert.deepStrictEqual(seen.get(payload), { one: 1, two: 2 });
  }
  assert.deepStrictEqual(await monitor.named('MGET', 'GET'), []);
});

ours('jobs of several nodes and of a Cluster start with their payloads', async (_, scene) => {
  const nodes = await scene.nodes();
  const cluster = await scene.cluster();
  for (const connect of [() => scene.partition(nodes), () => scene.connectCluster(cluster)]) {
    const processor = (job) => job.get('one', false).get('two', false).pull();
    const { seen, errors } = await play(scene, ['one', 'two'], processor, { connection: connect() });
    const connection = connect();
    const ids = await Promise.all(
      Array.from({ length: 8 }, (__, nth) => send(scene, { one: nth, two: nth + 1 }, { connection })),
    );
    for (const [nth, id] of ids.entries()) assert.deepStrictEqual(seen.get(id), { one: nth, two: nth + 1 });
    assert.deepStrictEqual(errors, []);
  }
});

ours('jobs start without payloads that do not arrive, in time for their deadlines', async (_, scene) => {
  const entries = [['1-1', ['prd', 'nobody', 'job', 'job-1']]];
  const answers = {
    INFO: () => reply('loading:0\r\n'),
    XREVRANGE: () => reply([]),
    XREADGROUP: () => (entries.length > 0 ? reply([[keys.stream(scene.stream), entries.splice(0)]]) : undefined),
    // Silent for the connection: whatever comes behind it has no answer either.
    MGET: () => undefined,
    XACK: () => reply(1),
    PUBLISH: () => reply(0),
  };
  const redis = await scene.fake(([name]) => (answers[name] ?? (() => OK))());
  const consumer = scene.consumer({}, scene.connect(redis.options));
  let begun = null;
  consumer.process({
    stream: scene.stream,
    prefetch: ['key'],
    deadline: 600,
    processor: async (job) => {
      begun = job;
    },
  });
  await consumer.play();
  await until(() => redis.commands.some(([name]) => name === 'MGET'));
  const asked = performance.now();
  await until(() => begun !== null);
  const waited = performance.now() - asked;
  assert.ok(waited >= 200 && !begun.signal.aborted, `${waited} ms`);
  assert.strictEqual(begun.id, 'job-1');
});

ours('invalid keys are rejected by name', (_, scene) => {
  const consumer = scene.consumer();
  const processor = () => {};
  for (const [prefetch, message] of [
    ['key', /^prefetch must be an array/],
    [[{}], /^prefetch\[0\] must be a string/],
    [['a', null], /^prefetch\[1\] must be a string/],
  ]) {
    assert.throws(() => consumer.process({ stream: scene.stream, processor, prefetch }), {
      name: 'TypeError',
      message,
    });
  }
  consumer.process({ stream: scene.stream, processor, prefetch: null });
  consumer.process({ stream: scene.stream, processor, prefetch: [] });
});
