'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { stays, until } = require('../support/wait-until.js');

keep('B-081 pause before play resolves', async (_, scene) => {
  await scene.consumer().pause();
});

fix('B-080 pause() ends the read at once, and no job starts afterwards', async (_, scene) => {
  const seen = [];
  const consumer = await scene.play(async (job) => seen.push(job.id), { blockTimeout: 60000, concurrency: 2 });
  for (let round = 1; round <= 10; round++) {
    const started = Date.now();
    await consumer.pause();
    assert.ok(Date.now() - started < 3000);
    await scene.add(`job-${round}`);
    await stays(() => seen.length === round - 1, 15);
    await consumer.play();
    await until(() => seen.length === round);
  }
});

fix('B-080 an entry in transit during pause() runs before it resolves, or after the next play()', async (_, scene) => {
  const seen = [];
  let isPaused = false;
  const consumer = await scene.play(
    async (job) => {
      assert.strictEqual(isPaused, false);
      seen.push(job.id);
    },
    { concurrency: 4 },
  );
  const errors = scene.errors(consumer);
  for (let round = 0; round < 40; round++) {
    const added = scene.add(`job-${round}`);
    await consumer.pause();
    isPaused = true;
    await added;
    isPaused = false;
    await consumer.play();
  }
  await until(() => seen.length === 40);
  assert.strictEqual(new Set(seen).size, 40);
  await until(async () => (await scene.pending()) === 0);
  assert.deepStrictEqual(errors, []);
});

keep('B-081 pause() waits for jobs in flight, reads nothing, and several calls can wait', async (_, scene) => {
  const gate = new Gate();
  const seen = [];
  const consumer = await scene.play(async (job) => {
    seen.push(job.id);
    await gate.opened;
  });
  await scene.add('job-1');
  await until(() => seen.length === 1);
  let resolved = 0;
  const pauses = [consumer.pause(), consumer.pause()].map((pause) => pause.then(() => resolved++));
  await scene.add('job-2');
  await stays(() => resolved === 0, 40);
  gate.open();
  await Promise.all(pauses);
  assert.deepStrictEqual(seen, ['job-1']);
  await until(async () => (await scene.pending()) === 0);
});

keep('B-081 a pause() that times out rejects, the consumer stays paused, and its jobs continue', async (_, scene) => {
  const gate = new Gate();
  const seen = [];
  const consumer = await scene.play(async (job) => {
    seen.push(job.id);
    await gate.opened;
  });
  await scene.add('job-1');
  await until(() => seen.length === 1);
  await assert.rejects(consumer.pause(30), {
    name: 'Error',
    message: 'Timeouted while waiting to be drained: 30ms',
    code: 'PAUSE_TIMEOUT',
    errno: 'PAUSE_TIMEOUT',
  });
  await scene.add('job-2');
  const again = consumer.pause();
  gate.open();
  await again;
  assert.deepStrictEqual(seen, ['job-1']);
  await consumer.play();
  await until(() => seen.length === 2);
});

keep('B-081 0, null, NaN and undefined mean no timeout', async (_, scene) => {
  const gate = new Gate();
  let running = 0;
  const consumer = await scene.play(() => {
    running++;
    return gate.opened;
  });
  await scene.add('job-1');
  await until(() => running === 1);
  let ended = 0;
  const pauses = [0, null, Number.NaN, undefined].map((timeout) => consumer.pause(timeout).finally(() => ended++));
  await stays(() => ended === 0, 40);
  gate.open();
  await Promise.all(pauses);
});

keep('B-082 play() after pause() resumes', async (_, scene) => {
  const seen = [];
  const consumer = await scene.play(async (job) => seen.push(job.id), { blockTimeout: 200 });
  for (let round = 1; round <= 3; round++) {
    await scene.add(`job-${round}`);
    await until(() => seen.length === round);
    await consumer.pause();
    await consumer.play();
  }
  assert.deepStrictEqual(seen, ['job-1', 'job-2', 'job-3']);
});

fix('B-086 a clean stop removes the consumer from its group, if nothing is pending for it', async (_, scene) => {
  const consumers = async (stream) => {
    const list = await scene.redis.call('XINFO', 'CONSUMERS', keys.stream(stream), keys.group(scene.group));
    return list.map((info) => info[1]);
  };
  const [clean, failed] = [scene.name('stream'), scene.name('stream')];
  const connection = scene.connect();
  const consumer = scene.consumer({ id: 'me' }, connection);
  let ran = 0;
  const processor = async () => {
    ran++;
  };
  consumer.process({ stream: clean, processor });
  consumer.process({
    stream: failed,
    processor: async () => {
      ran++;
      throw new Error('stays pending');
    },
  });
  await consumer.play();
  for (const stream of [clean, failed]) await scene.add('job-1', { stream });
  await until(() => ran === 2);
  await connection.stop();
  assert.deepStrictEqual(await consumers(clean), []);
  assert.deepStrictEqual(await consumers(failed), ['me']);
});
