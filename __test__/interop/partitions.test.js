'use strict';

/* A fleet in which 2.2.0 works on the streams of single partitions. */

const assert = require('node:assert');
const hfxbus = require('hfxbus-original');
const { ours } = require('../support/cases.js');
const { until } = require('../support/wait-until.js');

ours('2.2.0 processes the stream of a partition, and sends to it', async (_, scene) => {
  const connection = scene.adopt(hfxbus.ConnectionManager.standalone(scene.redis.options));
  const ids = [];
  const consumer = new hfxbus.Consumer(connection, { group: scene.group });
  consumer.process({ stream: `${scene.stream}#0`, processor: async ({ id }) => void ids.push(id) });
  await consumer.play();
  const processing = scene.consumer({ group: `${scene.group}-new`, concurrency: 4 });
  const seen = [];
  processing.process({
    stream: scene.stream,
    partitions: 2,
    processor: async (job) => void seen.push([job.id, job.key]),
  });
  await processing.play();
  const producer = scene.producer();
  // Of two partitions, this key leads to the first.
  const job = producer.job();
  await producer.send({ stream: scene.stream, partitions: 2, key: 'a', job, waitFor: [scene.group] });
  await job.finished(8000);
  assert.deepStrictEqual(ids, [job.id]);
  const sender = new hfxbus.Producer(connection);
  await sender.listen();
  const second = sender.job();
  await sender.send({ stream: `${scene.stream}#1`, waitFor: [`${scene.group}-new`], job: second });
  await second.finished(8000);
  await until(() => seen.length === 2);
  assert.deepStrictEqual(seen, [
    [job.id, 'a'],
    [second.id, undefined],
  ]);
  await consumer.pause();
});
