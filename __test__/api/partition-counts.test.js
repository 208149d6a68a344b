'use strict';

/* Limits of what a process keeps about partitioned streams that it has sent to. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { MOST_STREAMS, PartitionCounts } = require('../../src/facade/api/partitioning/partition-counts.js');
const { MOST_NAMES, PartitionNames } = require('../../src/facade/api/partitioning/partition-names.js');
const { until } = require('../support/wait-until.js');

ours('a program that sends to many partitioned streams once keeps the counts of few', async (_, scene) => {
  const connection = scene.connect();
  const producer = scene.producer(connection);
  const send = (stream) => producer.send({ stream, partitions: 1, job: producer.job() });
  const streams = Array.from({ length: 4000 }, (_, at) => `${scene.stream}-${at}`);
  // All of them wait for their counts at once.
  await Promise.all(streams.map(send));
  await until(() => connection.partitionCounts.size <= MOST_STREAMS);
  for (const stream of streams.slice(0, 50)) await send(stream);
  assert.ok(connection.partitionCounts.size <= MOST_STREAMS, `${connection.partitionCounts.size} counts`);
  for (const stream of [streams[0], streams[3999]]) {
    assert.strictEqual(await scene.length(`${stream}#0`), stream === streams[0] ? 2 : 1);
  }
});

ours('a count that is used stays, and a forgotten one is asked for again', async (_, scene) => {
  const connection = scene.connect();
  const counts = connection.partitionCounts;
  assert.ok(counts instanceof PartitionCounts);
  const used = `${scene.stream}-used`;
  assert.strictEqual(await counts.agree(used, 3), 3);
  await counts.after(scene.stream, 2, () => {});
  for (let at = 0; at < MOST_STREAMS + 10; at += 64) {
    await Promise.all(Array.from({ length: 64 }, (_, more) => counts.agree(`${scene.stream}-${at + more}`, 1)));
    if (at % 512 === 0) await counts.agree(used, 1);
  }
  assert.strictEqual(counts.known(scene.stream, 2), 0, 'forgotten');
  assert.strictEqual(counts.known(used, 3), 3, 'used in between');
  assert.strictEqual(await counts.agree(scene.stream, 1), 2);
  assert.ok(counts.size <= MOST_STREAMS);
});

ours('names of partitions are kept while they are used or listened to', async () => {
  const names = new PartitionNames();
  names.listen('heard', ['heard#0']);
  for (let at = 0; at < 3 * MOST_NAMES; at++) {
    names.send(`s${at}`, [`s${at}#0`]);
    if (at % 1000 === 0) names.send('used', ['used#0', 'used#1']);
  }
  assert.ok(names.size <= 2 * MOST_NAMES + 3, `${names.size} names`);
  const found = ['heard#0', 'used#0', 's0#0', `s${3 * MOST_NAMES - 1}#0`, 'plain'].map((name) => names.streamOf(name));
  assert.deepStrictEqual(found, ['heard', 'used', 's0#0', `s${3 * MOST_NAMES - 1}`, 'plain']);
});
