'use strict';

/* What doctor says of partitioned streams. */

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { asked } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { RedisCluster } = require('../support/redis-cluster.js');
const { RedisServer } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');
const { ConnectionManager, Consumer, Producer } = require('../../index.js');

async function started(t) {
  const server = await RedisServer.start();
  t.after(() => server.kill());
  return server;
}

function stopping(t, connection) {
  t.after(() => connection.stop({ force: true }));
  return connection;
}

/** Resolves with the state and the text of each finding of a check. */
async function found(servers, check, ...words) {
  const args = servers.flatMap(({ port }) => ['--url', `redis://127.0.0.1:${port}`]);
  const { said } = await asked(['doctor', ...words, ...args]);
  return said.findings.filter((one) => one.check === check).map(({ state, detail }) => [state, detail]);
}

/** Plays a consumer of all partitions. */
async function play(connection, processing = {}, options = {}) {
  const consumer = new Consumer(connection, { group: 'billing', claimInterval: 50, ...options });
  await consumer.process({ stream: 'orders', partitions: 4, processor: () => {}, ...processing }).play();
  return consumer;
}

function add(redis, name, jobs = 1) {
  const words = ['XADD', keys.stream(name), '*', 'prd', 'p', 'job', 'j'];
  return redis.client.callAll(Array.from({ length: jobs }, () => words));
}

describe('npx hfxbus doctor with partitions', () => {
  it('reports no problem of a partitioned stream on one Redis, on nodes() and on a Cluster', async (t) => {
    const redis = await started(t);
    const servers = await Promise.all([started(t), started(t)]);
    const cluster = await RedisCluster.start();
    t.after(() => cluster.kill());
    for (const [connection, of] of [
      [ConnectionManager.standalone(redis.options), [redis]],
      [ConnectionManager.nodes({ nodes: servers.map(({ options }) => options) }), servers],
      [ConnectionManager.cluster(cluster.startupNodes), [cluster.primaries[0]]],
    ]) {
      await play(stopping(t, connection));
      assert.deepStrictEqual(await found(of, 'partitions'), [['ok', 'orders has 4 partitions']]);
    }
    const [[state, detail]] = await found([cluster.primaries[0]], 'sharded completions');
    assert.match(detail, /^(possible|not possible: 127\.0\.0\.1:\d+.* without SPUBLISH)$/);
    assert.strictEqual(state, 'ok');
  });

  it('names the partitions without a group that others have', async (t) => {
    const redis = await started(t);
    const consumer = await play(stopping(t, ConnectionManager.standalone(redis.options)));
    // A consumer that plays creates a lost group again.
    await consumer.pause();
    await redis.call('XGROUP', 'DESTROY', keys.stream('orders#2'), keys.group('billing'));
    await redis.call('DEL', keys.stream('orders#3'));
    const where = 'the group billing is on 2 of 4 partitions of orders only, and not on 2, 3';
    assert.deepStrictEqual(await found([redis], 'partitions'), [
      ['warning', `${where}: play its consumers with partitions: 4`],
    ]);
  });

  it('names the partitions beyond the count in force, and counts of two nodes', async (t) => {
    const servers = await Promise.all([started(t), started(t)]);
    await servers[0].call('APPEND', 'hfxbus:prt:orders', '2 4 ');
    for (const name of ['orders#0', 'orders#1', 'orders#5', 'orders#7']) await add(servers[0], name);
    const beyond = 'since only 4 partitions are in force: send or process with partitions: 8';
    assert.deepStrictEqual(await found([servers[0]], 'partitions'), [
      ['problem', `nothing reads orders#5, orders#7, ${beyond}`],
    ]);
    await servers[1].call('APPEND', 'hfxbus:prt:orders', '8 ');
    await add(servers[1], 'orders#2');
    const [one, other] = servers.map(({ port }) => `127.0.0.1:${port}`);
    const mending = 'give all processes the same nodes in the same order, and the same number';
    assert.deepStrictEqual(await found(servers, 'partitions'), [
      ['problem', `the number of partitions of orders differs: 4 by ${one}, 8 by ${other}: ${mending}`],
    ]);
  });

  it('warns of a stream whose partitions are all on one node of several', async (t) => {
    const cluster = await RedisCluster.start();
    t.after(() => cluster.kill());
    const connection = stopping(t, ConnectionManager.cluster(cluster.startupNodes, { keyPrefix: '{app}' }));
    await play(connection);
    const reason = 'since the keyPrefix or the name of the stream has braces';
    assert.deepStrictEqual(await found([cluster.primaries[0]], 'partitions', '--prefix', '{app}'), [
      ['warning', `all partitions of orders are on 1 of 3 nodes, ${reason}`],
    ]);
  });

  it('names the busiest partition if it has much more than its share', async (t) => {
    const redis = await started(t);
    await redis.call('APPEND', 'hfxbus:prt:orders', '4 ');
    for (const number of [0, 1, 2, 3]) await add(redis, `orders#${number}`, 100);
    assert.deepStrictEqual(await found([redis], 'partitions'), [['ok', 'orders has 4 partitions']]);
    await add(redis, 'orders#3', 1100);
    const share = 'orders#3 got 80 % of the entries of orders, 3.2 times its share';
    assert.deepStrictEqual(await found([redis], 'partitions'), [
      ['warning', `${share}: many jobs have one key, or none of them use partitions`],
    ]);
  });

  it('warns of consumers of an ordered group with different leases', async (t) => {
    const redis = await started(t);
    const owners = async (lease, id) => {
      const connection = stopping(t, ConnectionManager.standalone(redis.options));
      const consumer = await play(connection, { ordered: { lease } }, { id });
      const owned = new Set();
      consumer.on('assigned', ({ partition }) => owned.add(partition));
      consumer.on('revoked', ({ partition }) => owned.delete(partition));
      return owned;
    };
    await owners(4000, 'long');
    const owner = () => redis.call('EXISTS', ...[0, 1, 2, 3].map((number) => `hfxbus:own:orders#${number}:billing`));
    await until(async () => (await owner()) === 4, { timeout: 20_000 });
    assert.deepStrictEqual(await found([redis], 'partitions'), [['ok', 'orders has 4 partitions']]);
    // The ids decide which partitions a consumer gets: each of these gets two of four.
    const moved = await owners(1500, 'short');
    await until(() => moved.size === 2, { timeout: 20_000 });
    const text = /^consumers of billing have different leases of orders: about (\d+) ms of \S+ and (\d+) ms of \S+:/;
    await until(
      async () => {
        const [[state, detail]] = await found([redis], 'partitions');
        const [, short, long] = text.exec(detail) ?? [];
        if (short === undefined) return false;
        assert.strictEqual(state, 'warning');
        assert.ok(short > 1000 && short < 2000 && long > 2900 && long < 4500, detail);
        return true;
      },
      { timeout: 20_000 },
    );
  });

  it('does not report partitions on a node that is away, and says if the user cannot read leases', async (t) => {
    const servers = await Promise.all([started(t), started(t)]);
    const connection = stopping(t, ConnectionManager.nodes({ nodes: servers.map(({ options }) => options) }));
    const consumer = await play(connection, { ordered: true });
    const owners = async () => (await Promise.all(servers.map((server) => server.call('KEYS', 'hfxbus:own:*')))).flat();
    await until(async () => (await owners()).length === 4, { timeout: 20_000 });
    const holders = await Promise.all(servers.map((server) => server.call('EXISTS', 'hfxbus:prt:orders')));
    const kept = servers[holders.indexOf(1)];
    await kept.call('ACL', 'SETUSER', 'few', 'on', '>secret', '~*', '&*', '+@all', '-smembers');
    await consumer.pause();
    // An announcement, as of a consumer that lives.
    const [now] = await kept.call('TIME');
    await kept.call('ZADD', 'hfxbus:mem:orders:billing', now * 1000, 'other');
    servers[1 - holders.indexOf(1)].kill();
    assert.deepStrictEqual(await found(servers, 'partitions'), [['ok', 'orders has 4 partitions']]);
    const { said } = await asked(['doctor', '--url', `redis://few:secret@127.0.0.1:${kept.port}`]);
    const unknown = said.findings.filter(({ check, state }) => check === 'partitions' && state === 'unknown');
    assert.deepStrictEqual(
      unknown.map(({ detail }) => detail),
      ['leases of orders are not known: the user has no permission for SMEMBERS'],
    );
  });

  it('has one finding for all partitions with the same problem', async (t) => {
    const redis = await started(t);
    const connection = stopping(t, ConnectionManager.standalone(redis.options));
    const consumer = await play(connection);
    await consumer.pause();
    const producer = new Producer(connection);
    for (let at = 0; at < 8; at++) {
      await producer.send({ stream: 'orders', partitions: 4, job: producer.job() });
    }
    await producer.send({ stream: 'plain', job: producer.job() });
    await redis.call('XGROUP', 'CREATE', keys.stream('plain'), keys.group('billing'), '0');
    const stuck = await until(async () => {
      const all = await found([redis], 'groups', '--idle', '50');
      return all.length > 0 && all;
    });
    const text =
      / of orders#\d is stuck: (2|an unknown number) not delivered, .*; and the same of 3 more of 4 partitions of orders$/;
    assert.strictEqual(stuck.length, 2, `${stuck}`);
    assert.ok(
      stuck.some(([, detail]) => text.test(detail)),
      `${stuck}`,
    );
    assert.ok(
      stuck.some(([, detail]) => detail.startsWith('billing of plain is stuck: ')),
      `${stuck}`,
    );
  });
});
