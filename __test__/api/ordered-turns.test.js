'use strict';

/* Keys of ordered partitions whose job is removed before its run or its retry. */

const assert = require('node:assert');
const { setTimeout: delay } = require('node:timers/promises');

const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const CLAIMS = { claimInterval: 50, claimDeadline: 300, concurrency: 16, retryLimit: 1000 };

const REMOVALS = {
  'deleted from its stream': (scene, key, id) => scene.redis.call('XDEL', key, id),
  'acknowledged by a command': (scene, key, id) => scene.redis.call('XACK', key, keys.group(scene.group), id),
  'trimmed from its stream': (scene, key) => scene.redis.call('XTRIM', key, 'MAXLEN', 2),
};

for (const [kind, remove] of Object.entries(REMOVALS)) {
  ours(`the key of a failed job that is ${kind} goes on`, async (_, scene) => {
    const runs = [];
    const consumer = scene.consumer(CLAIMS);
    const processor = async ({ id }) => {
      runs.push(id);
      if (id === '0') throw new Error('no');
    };
    scene.errors(consumer);
    consumer.process({ stream: scene.stream, partitions: 1, ordered: { lease: 10000 }, processor });
    await consumer.play();
    const producer = scene.producer();
    const send = (id) => ({ stream: scene.stream, partitions: 1, key: 'a', job: producer.job(id) });
    await producer.sendAll(['0', '1', '2'].map(send));
    await until(() => runs.includes('0'));
    const key = keys.stream(`${scene.stream}#0`);
    const [[first]] = await scene.redis.call('XRANGE', key, '-', '+', 'COUNT', 1);
    await remove(scene, key, first);
    await until(() => runs.includes('1') && runs.includes('2'));
  });
}

ours('an entry that is deleted while it waits in its owner runs, and its key goes on', async (_, scene) => {
  const runs = [];
  let end;
  const isDeleted = new Promise((resolve) => {
    end = resolve;
  });
  const consumer = scene.consumer({ ...CLAIMS, readAhead: 16 });
  const processor = async ({ id }) => {
    runs.push(id);
    // Longer than a waiting entry starts without a renewal.
    if (id === '0') await isDeleted.then(() => delay(1_500));
  };
  consumer.process({ stream: scene.stream, partitions: 1, ordered: { lease: 10000 }, processor });
  await consumer.play();
  const producer = scene.producer();
  const send = (id) => ({ stream: scene.stream, partitions: 1, key: 'a', job: producer.job(id) });
  await producer.sendAll(['0', '1', '2'].map(send));
  const [key, group] = [keys.stream(`${scene.stream}#0`), keys.group(scene.group)];
  const pending = () => scene.redis.call('XPENDING', key, group, '-', '+', 10);
  await until(async () => runs.includes('0') && (await pending()).length === 3);
  const [, [second]] = await scene.redis.call('XRANGE', key, '-', '+');
  await scene.redis.call('XDEL', key, second);
  end();
  await until(() => runs.includes('2'));
  assert.deepEqual(runs, ['0', '1', '2']);
});
