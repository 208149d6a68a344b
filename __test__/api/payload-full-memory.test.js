'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { Gate } = require('../support/latch.js');
const { stays, until } = require('../support/wait-until.js');

/* Payloads that leave with a send or a settlement while Redis has no memory. */

/** Number of jobs that end at the same time. */
const JOBS = 20;
/** For how long a refusal lasts, in ms: some back-offs. */
const WHILE = 400;
/** The longest back-off, and some time for a busy machine. */
const RECOVERY = { timeout: 15000 };

/** A bus on a server of its own that refuses writes without memory. */
async function open(scene) {
  const redis = await scene.server('--maxmemory-policy', 'noeviction');
  const fill = () => redis.call('CONFIG', 'SET', 'maxmemory', '1');
  const free = () => redis.call('CONFIG', 'SET', 'maxmemory', '0');
  const exists = (...names) => redis.call('EXISTS', ...names);
  return { redis, connection: scene.connect(redis.options), fill, free, exists };
}

const SENDS = {
  'with set values': {},
  'whose entry is the only copy': { payload: 'entry' },
  'with values that are not carried': { carry: false },
  'with an idempotency id': { id: 'once' },
  'with a wait and an answer': { waitFor: ['group'], returns: ['outbound'], durable: true },
};

for (const [kind, send] of Object.entries(SENDS)) {
  ours(`a send ${kind} is refused whole while memory is full, and the job keeps its values`, async (_, scene) => {
    const { redis, connection, fill, free, exists } = await open(scene);
    const producer = scene.producer(connection);
    const job = producer
      .job()
      .set('inbound', 'Hello')
      .set('other', Buffer.from([0xff]));
    const names = [keys.payload(job.id, 'inbound'), keys.payload(job.id, 'other'), keys.stream(scene.stream)];
    await fill();
    for (let attempt = 0; attempt < 2; attempt++) {
      await assert.rejects(producer.send({ stream: scene.stream, job, ...send }), { code: 'OOM' });
      assert.deepStrictEqual([await exists(...names), job.finished], [0, undefined]);
    }
    await free();
    await producer.send({ stream: scene.stream, job, ...send });
    assert.strictEqual(await exists(...names), send.payload ? 1 : 3);
    const received = [];
    await scene.play(async (one) => received.push(await one.get('inbound', false).get('other').pull()), {
      connection,
      fromId: '0',
    });
    await until(() => received.length === 1);
    assert.deepStrictEqual(received, [{ inbound: 'Hello', other: Buffer.from([0xff]) }]);
    assert.strictEqual(await redis.call('XLEN', keys.stream(scene.stream)), 1);
  });
}

ours('values that are set again after a refused send leave with the next one', async (_, scene) => {
  const { redis, connection, fill, free } = await open(scene);
  const producer = scene.producer(connection);
  const job = producer.job().set('first', 1).set('both', 1);
  await fill();
  await assert.rejects(producer.send({ stream: scene.stream, job }), { code: 'OOM' });
  job.set('both', 2).set('second', 2);
  await free();
  await producer.send({ stream: scene.stream, job });
  const values = await redis.call('MGET', ...['first', 'both', 'second'].map((key) => keys.payload(job.id, key)));
  assert.deepStrictEqual(values, ['1', '2', '2']);
});

ours('a value of a refused push is not carried by a later send', async (_, scene) => {
  const { redis, connection, fill, free } = await open(scene);
  const producer = scene.producer(connection);
  const job = producer.job();
  await fill();
  await assert.rejects(job.set('inbound', 'Hello').push(), { code: 'OOM' });
  await free();
  await producer.send({ stream: scene.stream, job });
  const [[, fields]] = await redis.call('XRANGE', keys.stream(scene.stream), '-', '+');
  assert.ok(!fields.some((field) => field.startsWith('val:')), fields.join());
});

for (const durable of [false, true]) {
  ours(`a settlement with outputs is refused whole while memory is full (durable: ${durable})`, async (_, scene) => {
    const { redis, connection, fill, free } = await open(scene);
    const [ending, begun] = [new Gate(), new Gate()];
    let settled = null;
    let runs = 0;
    const processor = async (job) => {
      runs++;
      const { inbound } = await job.get('inbound', false).del('inbound').pull();
      job.set('outbound', `${inbound} world!`).set('large', Buffer.alloc(5000, 1));
      begun.open();
      await ending.opened;
      settled = job.resolve();
    };
    const consumer = await scene.play(processor, { connection, blockTimeout: 100 });
    const errors = scene.errors(consumer);
    const producer = scene.producer(connection);
    const heard = await scene.hear(keys.channel(scene.stream, producer.id), redis);
    const job = producer.job().set('inbound', 'Hello');
    await producer.send({ stream: scene.stream, job, waitFor: [scene.group], returns: ['outbound'], durable });
    await begun.opened;
    await fill();
    ending.open();
    await until(() => settled !== null);
    const names = [keys.payload(job.id, 'inbound'), keys.payload(job.id, 'outbound'), keys.payload(job.id, 'large')];
    const isUntouched = async () => {
      const [inbound, outbound, large] = await redis.call('MGET', ...names);
      const isWhole = inbound === '"Hello"' && outbound === null && large === null && heard.length === 0;
      return isWhole && (await scene.pending({ redis })) === 1;
    };
    await stays(isUntouched, WHILE);
    assert.deepStrictEqual(await redis.call('KEYS', 'hfxbus:rec:*'), []);
    await free();
    await settled;
    await job.finished();
    assert.deepStrictEqual(await job.get('outbound', false).pull(), { outbound: 'Hello world!' });
    const [inbound, outbound, large] = await redis.call('MGET', ...names);
    assert.deepStrictEqual([inbound, outbound, large.length], [null, '"Hello world!"', 5000]);
    await until(() => heard.length > 0, RECOVERY);
    assert.deepStrictEqual([await scene.pending({ redis }), heard.length, runs, errors], [0, 1, 1, []]);
    assert.strictEqual((await redis.call('KEYS', 'hfxbus:rec:*')).length, durable ? 1 : 0);
  });
}

ours('settlements that only remove succeed while memory is full', async (_, scene) => {
  const { redis, connection, fill, exists } = await open(scene);
  const [ending, begun] = [new Gate(), new Gate()];
  let running = 0;
  const processor = async (job) => {
    await job.get('inbound', false).del('inbound').pull();
    if (++running === JOBS) begun.open();
    await ending.opened;
  };
  const consumer = await scene.play(processor, { connection, blockTimeout: 100, concurrency: JOBS });
  const errors = scene.errors(consumer);
  const producer = scene.producer(connection);
  const jobs = Array.from({ length: JOBS }, () => producer.job().set('inbound', 'Hello'));
  await Promise.all(jobs.map((job) => producer.send({ stream: scene.stream, job, waitFor: [scene.group] })));
  await begun.opened;
  await fill();
  ending.open();
  await Promise.all(jobs.map((job) => job.finished()));
  await until(async () => (await exists(...jobs.map((job) => keys.payload(job.id, 'inbound')))) === 0, RECOVERY);
  assert.deepStrictEqual([await scene.pending({ redis }), errors], [0, []]);
});

ours('durable settlements that only remove are recorded when memory is there again', async (_, scene) => {
  const { redis, connection, fill, free, exists } = await open(scene);
  const [ending, begun] = [new Gate(), new Gate()];
  const processor = async (job) => {
    await job.get('inbound', false).del('inbound').pull();
    begun.open();
    await ending.opened;
  };
  await scene.play(processor, { connection, blockTimeout: 100 });
  const producer = scene.producer(connection);
  const job = producer.job().set('inbound', 'Hello');
  await producer.send({ stream: scene.stream, job, waitFor: [scene.group], durable: true });
  await begun.opened;
  await fill();
  ending.open();
  await job.finished();
  await until(async () => (await exists(keys.payload(job.id, 'inbound'))) === 0, RECOVERY);
  assert.deepStrictEqual([await scene.pending({ redis }), await redis.call('KEYS', 'hfxbus:rec:*')], [0, []]);
  await free();
  await until(async () => (await redis.call('KEYS', 'hfxbus:rec:*')).length === 1, RECOVERY);
});

ours('on several nodes a settlement whose outputs are refused fails the job and removes nothing', async (_, scene) => {
  const servers = await scene.ownNodes();
  const connection = scene.partition(servers);
  const [ending, begun] = [new Gate(), new Gate()];
  const processor = async (job) => {
    const { inbound } = await job.get('inbound', false).del('inbound').pull();
    job.set('outbound', `${inbound} world!`);
    begun.open();
    await ending.opened;
  };
  const consumer = await scene.play(processor, { connection, route: scene.stream, blockTimeout: 100 });
  const errors = scene.errors(consumer);
  const producer = scene.producer(connection);
  const job = producer.job().set('inbound', 'Hello');
  await producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
  await begun.opened;
  for (const server of servers) await server.call('CONFIG', 'SET', 'maxmemory', '1');
  ending.open();
  const { [scene.group]: outcome } = await job.finished();
  assert.strictEqual(outcome.code, 'OOM');
  const inputs = await Promise.all(servers.map((server) => server.call('EXISTS', keys.payload(job.id, 'inbound'))));
  assert.deepStrictEqual(inputs.sort(), [0, 0, 1]);
  await until(() => errors.length === 1);
  assert.strictEqual(errors[0].code, 'REJECT_JOB_ERROR');
});
