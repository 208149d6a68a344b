'use strict';

/* Groups with consumers of both packages, and the way back to 2.2.0, as MIGRATION.md describes them. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { everySubject } = require('../support/implementations.js');
const { stays, until } = require('../support/wait-until.js');

const EAGER = { claimInterval: 20, claimDeadline: 100 };
const original = require(everySubject.find(({ env }) => env === 'original').file);

/** A consumer of 2.2.0 in the case's group, which reads no more and closes its connections in the end. */
function oldConsumer(scene, options) {
  const connection = original.ConnectionManager.standalone(scene.redis.options);
  const consumer = new original.Consumer(connection, { group: scene.group, blockTimeout: 50, ...options });
  scene.closing(() => consumer.pause().then(() => connection.stop()));
  return consumer;
}

/** The same, which plays. */
async function playOld(scene, processor, options) {
  const consumer = oldConsumer(scene, options);
  await consumer.process({ stream: scene.stream, processor }).play();
  return consumer;
}

ours('a job that failed on 2.2.0 runs on the first consumer that claims; 2.2.0 never claims', async (_, scene) => {
  let failed = 0;
  const fail = async () => {
    failed++;
    throw new Error('no');
  };
  await playOld(scene, fail, EAGER);
  await scene.add('one');
  await until(() => failed === 1);
  await stays(() => failed === 1, 300);
  const done = [];
  await scene.play(async (job) => done.push(job.id), EAGER);
  await until(() => done.length === 1, { what: 'the job again' });
  await until(async () => (await scene.pending()) === 0);
  assert.deepStrictEqual([done, failed], [['one'], 1]);
});

ours('a job that 2.2.0 runs for longer than claimDeadline is run twice', async (_, scene) => {
  const gate = new Gate();
  const runs = [];
  await playOld(scene, async (job) => {
    runs.push(`old ${job.id}`);
    await gate.opened;
  });
  await scene.add('long');
  await until(() => runs.length === 1);
  await scene.play(async (job) => runs.push(`new ${job.id}`), EAGER);
  await until(() => runs.length === 2, { what: 'the second run' }).finally(() => gate.open());
  assert.deepStrictEqual(runs, ['old long', 'new long']);
});

ours('2.2.0 runs durable jobs and keeps no record of them', async (_, scene) => {
  await playOld(scene, async () => {});
  const producer = scene.producer();
  const job = await producer.send({
    stream: scene.stream,
    job: producer.job(),
    waitFor: [scene.group],
    durable: true,
  });
  const outcome = await job.finished();
  assert.ok(outcome[scene.group] instanceof Date);
  assert.deepStrictEqual(await scene.redis.call('KEYS', 'hfxbus:rec:*'), []);
});

ours('2.2.0 leaves released entries in place, and reads dead letters as any stream', async (_, scene) => {
  const started = [];
  const stranded = scene.connect();
  await scene.play(
    async (job) => {
      started.push(job.id);
      await new Promise(() => {});
    },
    { connection: stranded },
  );
  await scene.add('kept');
  await until(() => started.length === 1);
  await stranded.stop({ maxWait: 1 });

  const letters = scene.name('letters');
  const hopeless = async () => {
    throw new scene.hfxbus.UnrecoverableError('never');
  };
  const other = scene.name('stream');
  const claiming = await scene.play(hopeless, { stream: other, ...EAGER, deadLetter: letters });
  await scene.add('hopeless', { stream: other });
  await until(async () => (await scene.length(letters)) === 1, { what: 'the dead letter' });
  await claiming.pause();

  const ran = [];
  const consumer = oldConsumer(scene, EAGER);
  const processor = async (job) => ran.push(job.id);
  consumer.process({ stream: scene.stream, processor }).process({ stream: letters, processor, fromId: '0' });
  await consumer.play();
  await until(() => ran.length === 1, { what: 'the letter' });
  await stays(() => ran.length === 1, 300);
  assert.deepStrictEqual(ran, ['hopeless']);
  assert.strictEqual((await scene.redis.call('XPENDING', keys.stream(scene.stream), keys.group(scene.group)))[0], 1);
});
