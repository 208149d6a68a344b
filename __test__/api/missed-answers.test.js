'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { everySubject } = require('../support/implementations.js');
const { Gate } = require('../support/latch.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');

const original = require(everySubject.find(({ env }) => env === 'original').file);

/** A consumer of 2.2.0 in the case's group. */
async function playOld(scene, processor) {
  const connection = original.ConnectionManager.standalone(scene.redis.options);
  const consumer = new original.Consumer(connection, { group: scene.group, blockTimeout: 50 });
  scene.closing(() => consumer.pause().then(() => connection.stop()));
  await consumer.process({ stream: scene.stream, processor }).play();
}

/**
 * Sends a job whose producer has no connection when its completion is published.
 * @returns the job after its wait, and all messages of its completion
 */
async function missed(scene, { send, answer = (job) => job.set('outbound', 'Hello world!'), play } = {}) {
  const proxy = await TcpProxy.to(scene.redis.port);
  scene.closing(() => proxy.close());
  const connection = scene.connect({ ...proxy.options, retryStrategy: () => 20 });
  const producer = scene.producer(connection);
  const [begun, ending] = [new Gate(), new Gate()];
  const processor = async (job) => {
    begun.open();
    await ending.opened;
    await answer(job);
  };
  await (play ? play(scene, processor) : scene.play(processor, { connection: scene.connect() }));
  const job = producer.job().set('inbound', 'Hello');
  const given = { stream: scene.stream, job, waitFor: [scene.group], returns: ['outbound', 'other'], payload: 'entry' };
  await producer.send({ ...given, ...send });
  await begun.opened;
  proxy.refuse();
  proxy.cut();
  const channel = keys.channel(scene.stream, producer.id);
  const isDeaf = async () => (await scene.redis.call('PUBSUB', 'NUMSUB', channel))[1] === 0;
  await until(isDeaf, { what: 'the end of the subscription' });
  ending.open();
  await until(async () => (await scene.pending()) === 0);
  proxy.refuse(false);
  const { [scene.group]: outcome } = await job.finished();
  assert.ok(outcome instanceof Date, JSON.stringify(outcome));
  return job;
}

ours('a missed answer rejects with ANSWER_MISSED, and not as a key without a value', async (_, scene) => {
  const job = await missed(scene);
  for (const key of ['outbound', 'other']) {
    const error = await job
      .get(key, false)
      .pull()
      .then(assert.fail, (reason) => reason);
    assert.deepStrictEqual([error.code, error.kind ?? error.code], ['ANSWER_MISSED', 'ANSWER_MISSED']);
    assert.ok(error.message.includes(`'${key}'`) && error.message.includes('durable'), error.message);
  }
  // Other keys are read, and a new value ends the doubt.
  assert.deepStrictEqual(await job.get('unrelated', false).pull(), { unrelated: null });
  await job.set('outbound', 'new').push();
  assert.deepStrictEqual(await job.get('outbound', false).pull(), { outbound: 'new' });
});

ours('durable brings a missed answer, as often as it is read', async (_, scene) => {
  const job = await missed(scene, { send: { durable: true } });
  const monitor = await scene.monitor();
  for (let read = 0; read < 3; read++) {
    assert.deepStrictEqual(await job.get('outbound', false).pull(), { outbound: 'Hello world!' });
  }
  assert.deepStrictEqual(await monitor.named('GET'), []);
  assert.deepStrictEqual(await job.get('other', false).pull(), { other: null });
});

ours('durable brings a missed answer of bytes', async (_, scene) => {
  const bytes = Buffer.from([0xff, 0, 1, 2]);
  const job = await missed(scene, { send: { durable: true }, answer: (one) => one.set('outbound', bytes) });
  assert.deepStrictEqual(await job.get('outbound').pull(), { outbound: bytes });
});

ours('a missed answer that has a payload key is read from Redis', async (_, scene) => {
  const job = await missed(scene, { send: { payload: 'keys' } });
  assert.deepStrictEqual(await job.get('outbound', false).get('other', false).pull(), {
    outbound: 'Hello world!',
    other: null,
  });
});

ours('a missed answer that was too large for the completion is read from Redis', async (_, scene) => {
  const large = 'x'.repeat(2000);
  const job = await missed(scene, { answer: (one) => one.set('outbound', large) });
  assert.deepStrictEqual(await job.get('outbound', false).pull(), { outbound: large });
});

ours('a missed answer that was pushed is read from Redis, also that of 2.2.0', async (_, scene) => {
  const answer = (one) => one.set('outbound', 'pushed').push();
  const job = await missed(scene, { answer });
  assert.deepStrictEqual(await job.get('outbound', false).pull(), { outbound: 'pushed' });
  scene.stream = scene.name('stream');
  const old = await missed(scene, { answer, play: playOld });
  assert.deepStrictEqual(await old.get('outbound', false).pull(), { outbound: 'pushed' });
});

ours('an answer that was received is known, although its keys do not exist', async (_, scene) => {
  await scene.play(async (job) => job.set('outbound', 'Hello world!'));
  const producer = scene.producer();
  const job = producer.job();
  const send = { stream: scene.stream, waitFor: [scene.group], returns: ['outbound', 'other'], payload: 'entry' };
  await producer.send({ ...send, job });
  await job.finished();
  const expected = { outbound: 'Hello world!', other: null };
  assert.deepStrictEqual(await job.get('outbound', false).get('other', false).pull(), expected);
  assert.strictEqual(await scene.redis.call('EXISTS', keys.payload(job.id, 'outbound')), 0);
  await job.del('outbound').pull();
  assert.deepStrictEqual(await job.get('outbound', false).pull(), { outbound: null });
});
