'use strict';

/* Ordered partitions that move from consumer to consumer. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const CLAIMS = { claimInterval: 50, claimDeadline: 300, concurrency: 16 };
const ORDER = { partitions: 1, ordered: { lease: 400 } };

/** A consumer of one ordered partition that does not play yet. */
function ordered(scene, processor, options) {
  const consumer = scene.consumer({ ...CLAIMS, ...options }, scene.connect());
  consumer.process({ stream: scene.stream, ...ORDER, processor });
  return consumer;
}

/** Sends numbered jobs of one key. */
async function sendNumbered(scene, count, { key = 'a', from = 0 } = {}) {
  const producer = scene.producer();
  const numbers = Array.from({ length: count }, (_, at) => `${from + at}`);
  await producer.sendAll(numbers.map((id) => ({ stream: scene.stream, partitions: 1, key, job: producer.job(id) })));
}

ours('moves of a partition count no delivery of jobs that have not begun', async (_, scene) => {
  const runs = [];
  let gate;
  const processor = async ({ id }) => {
    runs.push(id);
    await gate.opened;
  };
  // A machine that is busy for longer than the claim deadline would leave the entries to a claim, which counts.
  const options = { retryLimit: 3, claimDeadline: 30_000 };
  const consumers = [ordered(scene, processor, options), ordered(scene, processor, options)];
  await sendNumbered(scene, 8);
  await scene.redis.call('XGROUP', 'CREATE', keys.stream(`${scene.stream}#0`), keys.group(scene.group), '0');
  const about = [keys.stream(`${scene.stream}#0`), keys.group(scene.group), '-', '+', 10];
  const uncounted = async () => (await scene.redis.call('XPENDING', ...about)).filter((row) => Number(row[3]) === 0);
  for (let move = 0; move < 6; move++) {
    gate = new Gate();
    const consumer = consumers[move % 2];
    await consumer.play();
    await until(() => runs.length === move + 1);
    const paused = consumer.pause();
    // The pause has begun, so the end of the job starts no other one.
    await until(async () => (await uncounted()).length === 7 - move);
    gate.open();
    await paused;
  }
  assert.deepStrictEqual(runs, ['0', '1', '2', '3', '4', '5']);
});
