'use strict';

/* Results on several servers: their places, slots that move, and consumers and servers that are killed. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { emitAndHang, emitUntil, follow, sent, upTo } = require('../support/result-readers.js');
const { until } = require('../support/wait-until.js');

ours('results of several servers are on the servers of their jobs', async (_, scene) => {
  const { stream, group } = scene;
  const servers = await scene.nodes();
  const connection = scene.partition(servers, { each: [{ keyPrefix: 'own:' }] });
  await scene.play(
    async (job) => {
      for (const value of upTo(3)) await job.emit(value);
    },
    { connection, route: scene.hfxbus.DISTRIBUTED_ROUTING },
  );
  const producer = scene.producer(connection);
  const other = scene.producer(scene.partition(servers, { each: [{ keyPrefix: 'own:' }] }));
  const ids = [0, 1, 2].map((node) => scene.nameOn(node, 'job'));
  for (const [node, id] of ids.entries()) {
    const job = await producer.send({ stream, job: producer.job(id), waitFor: [group] });
    const readers = [follow(job.results()), follow(other.results({ stream, group, id }))];
    for (const { failure, values } of readers) {
      assert.strictEqual(await failure, null);
      assert.deepStrictEqual(values(), [0, 1, 2]);
    }
    const key = `${node === 0 ? 'own:' : ''}${keys.result(stream, group, id)}`;
    assert.strictEqual(await servers[node].call('EXISTS', key), 1);
  }
});

ours('a result of a Cluster follows its slot to another node, without a gap', async (_, scene) => {
  const { stream, group } = scene;
  const cluster = await scene.cluster();
  const connection = scene.connectCluster(cluster);
  let isMoved = false;
  let count = 0;
  await scene.play(
    async (job) => {
      count = await emitUntil(job, () => isMoved);
    },
    { connection },
  );
  const producer = scene.producer(connection);
  const job = await sent(scene, producer);
  const reader = follow(job.results());
  const other = scene.producer(scene.connectCluster(cluster));
  const remote = follow(other.results({ stream, group, id: job.id }));
  await until(() => reader.chunks.length > 20 && remote.chunks.length > 20);
  const key = keys.result(stream, group, job.id);
  const from = cluster.primaries.indexOf(await cluster.home(key));
  await cluster.move([await cluster.slot(key)], cluster.primaries[(from + 1) % 3]);
  const seen = reader.chunks.length;
  await until(() => reader.chunks.length > seen + 20);
  isMoved = true;
  assert.deepStrictEqual([await reader.failure, await remote.failure], [null, null]);
  assert.deepStrictEqual(reader.values(), upTo(count));
  assert.deepStrictEqual(remote.values(), upTo(count));
});

for (const partitions of [undefined, 6]) {
  const where = partitions ? 'a partitioned stream of a Cluster' : 'a Cluster';
  ours(`the run of another consumer restarts the result of one that was killed on ${where}`, async (_, scene) => {
    const { stream, group } = scene;
    const { startupNodes } = await scene.cluster();
    const connect = () => scene.connectCluster({ startupNodes });
    const place = partitions ? { partitions, key: 'customer-7' } : {};
    const child = emitAndHang(scene, { values: ['a', 'b'], startupNodes, partitions });
    await child.says('plays');
    const producer = scene.producer(connect());
    const job = await sent(scene, producer, place);
    const readers = [job.results(), scene.producer(connect()).results({ stream, group, id: job.id })].map(follow);
    await child.says('emitted');
    await until(() => readers.every(({ chunks }) => chunks.length === 2));
    child.kill();
    const consumer = scene.consumer({ claimInterval: 20, claimDeadline: 60 }, connect());
    const processor = async (taken) => {
      for (const value of ['A', 'B']) await taken.emit(value);
    };
    await consumer.process({ stream, partitions, processor }).play();
    for (const { failure, chunks } of readers) {
      assert.strictEqual(await failure, null);
      assert.deepStrictEqual(
        chunks.map(({ value, delivery, restarted }) => [value, delivery, restarted]),
        [
          ['a', 1, false],
          ['b', 1, false],
          ['A', 2, true],
          ['B', 2, false],
        ],
      );
    }
    assert.ok((await job.finished(8000))[group] instanceof Date);
  });
}
