'use strict';

/* Idempotency ids, delayed sends and limits of backlogs in partitioned streams. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');

/** Lengths of the partitions in Redis. */
async function lengths(scene, count) {
  const names = Array.from({ length: count }, (_, at) => keys.stream(`${scene.stream}#${at}`));
  return Promise.all(names.map((name) => scene.redis.call('XLEN', name)));
}

const sum = (counts) => counts.reduce((all, count) => all + count, 0);

ours('an idempotency id holds for a partitioned stream, without a key too', async (_, scene) => {
  const producer = scene.producer();
  for (const id of ['a', 'b', 'c']) {
    for (let round = 0; round < 3; round++) {
      const sent = await producer.send({ stream: scene.stream, partitions: 8, job: producer.job(), id });
      assert.strictEqual(sent.duplicate, round > 0);
    }
  }
  assert.strictEqual(sum(await lengths(scene, 8)), 3);
});

ours('cancel() finds a delayed send in any partition', async (_, scene) => {
  const producer = scene.producer();
  const of = { stream: scene.stream, partitions: 4 };
  for (let round = 0; round < 5; round++) {
    const job = producer.job();
    await producer.send({ ...of, job, delay: 3_600_000 });
    assert.strictEqual(await producer.cancel({ ...of, id: job.id }), true);
    assert.strictEqual(await producer.cancel({ ...of, id: job.id }), false);
  }
  await assert.rejects(producer.cancel({ ...of, id: 'x', route: 'r' }), /route must not be given with partitions/);
  assert.strictEqual(sum(await lengths(scene, 4)), 0);
});

ours('each partition has a backlog limit of its own', async (_, scene) => {
  const connection = scene.connect({ backlogLimit: 3 });
  const producer = scene.producer(connection);
  const send = (key) => producer.send({ stream: scene.stream, partitions: 4, key, job: producer.job() });
  for (let round = 0; round < 3; round++) await send('one');
  await assert.rejects(send('one'), { code: 'BACKLOG_FULL' });
  const full = await lengths(scene, 4);
  assert.deepStrictEqual([...full].sort(), [0, 0, 0, 3]);
  // Jobs without a key go round the partitions: each of the three others takes three.
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => send(undefined)));
  const sent = results.filter(({ status }) => status === 'fulfilled');
  assert.strictEqual(sent.length, 9);
  assert.deepStrictEqual(await lengths(scene, 4), [3, 3, 3, 3]);
});

ours('sendAll() with atomic counts the backlog of each partition', async (_, scene) => {
  const producer = scene.producer(scene.connect({ backlogLimit: 3 }));
  const sends = (count) =>
    Array.from({ length: count }, () => ({ stream: scene.stream, partitions: 2, key: 'k', job: producer.job() }));
  await assert.rejects(producer.sendAll(sends(4), { atomic: true }), { code: 'SEND_ALL_FAILED' });
  assert.strictEqual(sum(await lengths(scene, 2)), 0);
  await producer.sendAll(sends(3), { atomic: true });
  assert.strictEqual(sum(await lengths(scene, 2)), 3);
});
