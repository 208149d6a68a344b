'use strict';

/* What inspect says of retention. */

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { asked, hfxbus } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { RedisCluster } = require('../support/redis-cluster.js');
const { RedisServer } = require('../support/redis-server.js');
const { countsEntries } = require('../support/stream-counts.js');
const { until } = require('../support/wait-until.js');
const { ConnectionManager, Consumer, Producer } = require('../../index.js');

const RETENTION = { retain: 'acknowledged', retainFor: 100 };
/** Id of the job that does not end. */
const HELD = 'held';

/** Sends jobs to a stream, the last one of which does not end, and waits until retention has removed the others. */
async function retained(connection, send, lengthOf, isRunning = { held: false }) {
  const consumer = new Consumer(connection, { group: 'billing' });
  const processor = (job) => {
    if (job.id !== HELD) return undefined;
    isRunning.held = true;
    return new Promise(() => {});
  };
  await consumer.process({ ...send, processor }).play();
  const producer = new Producer(connection);
  for (let at = 0; at < 8; at++) await producer.send({ ...send, job: producer.job() });
  await until(async () => (await lengthOf()) === 0, { timeout: 20_000 });
  await producer.send({ ...send, job: producer.job(HELD) });
  await until(() => isRunning.held);
}

describe('npx hfxbus inspect of a stream with retention', () => {
  it('names the removed entries, the slowest group, and its pending entry', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    const connection = ConnectionManager.standalone({ ...redis.options, ...RETENTION });
    t.after(() => connection.stop({ force: true }));
    await retained(connection, { stream: 'mails' }, () => redis.call('XLEN', keys.stream('mails')));
    const args = ['--url', `redis://127.0.0.1:${redis.port}`];
    const [[entry]] = await redis.call('XRANGE', keys.stream('mails'), '-', '+');
    const boundary = async () => (await redis.call('GET', 'hfxbus:ret:mails')).split(' ')[1];
    // The comparison after the last removal moves the boundary to the pending entry.
    if (await countsEntries(redis, keys.stream('mails'))) await until(async () => (await boundary()) === entry);
    const { said } = await asked(['inspect', 'mails', ...args]);
    const [{ retention, groups }] = said.streams;
    const heldBy = { group: 'billing', entry };
    assert.strictEqual(groups[0].oldestPending.id, entry);
    if (!(await countsEntries(redis, keys.stream('mails')))) {
      assert.deepStrictEqual(retention, { removed: null, below: null, heldBy });
      return;
    }
    const [, below, removed] = (await redis.call('GET', 'hfxbus:ret:mails')).split(' ');
    const age = retention.below.age;
    assert.strictEqual(removed, '8');
    assert.deepStrictEqual(retention, { removed: 8, below: { id: below, age }, heldBy });
    assert.ok(age >= 0 && age < 60_000, `${age}`);
    const { stdout } = await hfxbus(['inspect', 'mails', ...args]);
    assert.match(stdout, /^retention of +node +removed +removed below +sent +slowest group +pending entry$/m);
    assert.match(stdout, new RegExp(`^mails +\\S+ +8 +${below} +\\d+ \\w+ ago +billing +${entry}$`, 'm'));
    await redis.call('XADD', keys.stream('other'), '*', 'prd', 'p', 'job', 'j');
    const other = await asked(['inspect', 'other', ...args]);
    assert.strictEqual(other.said.streams[0].retention, null);
    assert.doesNotMatch((await hfxbus(['inspect', 'other', ...args])).stdout, /retention/);
  });

  it('adds up the partitions of a stream on a Cluster, whose marks are on any node', async (t) => {
    const cluster = await RedisCluster.start();
    t.after(() => cluster.kill());
    const connection = ConnectionManager.cluster(cluster.startupNodes, RETENTION);
    t.after(() => connection.stop({ force: true }));
    const all = async (pattern) =>
      (await Promise.all(cluster.primaries.map((one) => one.call('KEYS', pattern)))).flat();
    const length = async () => {
      const lengths = await Promise.all((await all(keys.stream('mails#*'))).map((key) => cluster.call('XLEN', key)));
      return lengths.reduce((sum, one) => sum + one, 0);
    };
    await retained(connection, { stream: 'mails', partitions: 4 }, length);
    const { said } = await asked(['inspect', '--url', `redis://127.0.0.1:${cluster.primaries[0].port}`]);
    const [{ stream, retention, groups }, ...others] = said.streams;
    const entry = groups[0].oldestPending.id;
    const [key] = await all(keys.stream('mails#*'));
    const counts = await countsEntries(await cluster.home(key), key);
    assert.deepStrictEqual([stream, others, retention.removed], ['mails', [], counts ? 8 : null]);
    assert.deepStrictEqual(retention.heldBy, { group: 'billing', entry });
  });
});
