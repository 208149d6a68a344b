'use strict';

const assert = require('node:assert');
const test = require('node:test');
const { ours } = require('../support/cases.js');
const { RedisCluster } = require('../support/redis-cluster.js');

let cluster;

test.before(async () => {
  cluster = await RedisCluster.start({ replicas: false });
});
test.after(() => cluster?.kill());

function open(scene) {
  return scene.adopt(scene.hfxbus.ConnectionManager.cluster(cluster.startupNodes)).getClient('mine');
}

/** As many keys in slots of as many primaries. */
async function spread(scene) {
  const keys = new Map();
  while (keys.size < cluster.primaries.length) {
    const key = scene.name('key');
    keys.set((await cluster.home(key)).port, key);
  }
  return [...keys.values()];
}

ours('on a Cluster commands of a client go to the node of their keys', async (_, scene) => {
  const client = open(scene);
  const keys = await spread(scene);
  for (const key of keys) {
    assert.strictEqual(await client.set(key, 'v'), 'OK');
    assert.strictEqual(await cluster.call('GET', key), 'v');
    assert.deepStrictEqual(await client.eval('return redis.call("GET", KEYS[1])', 1, key), 'v');
    assert.strictEqual(await client.object('encoding', key), 'embstr');
  }
  const results = await client
    .pipeline(keys.map((key) => ['append', key, 'w']))
    .get(keys[0])
    .exec();
  assert.deepStrictEqual(results, [...keys.map(() => [null, 2]), [null, 'vw']]);
  await assert.rejects(client.mget(...keys), { code: 'CROSSSLOT', command: 'MGET' });
});

ours('on a Cluster a transaction runs whole on the node of its first key', async (_, scene) => {
  const client = open(scene);
  for (const key of await spread(scene)) {
    const results = await client.multi().ping().set(key, 1).incr(key).get(key).exec();
    assert.deepStrictEqual(results, [
      [null, 'PONG'],
      [null, 'OK'],
      [null, 2],
      [null, '2'],
    ]);
    assert.strictEqual(await cluster.call('GET', key), '2');
  }
});

ours('on a Cluster a transaction with keys of several nodes does nothing', async (_, scene) => {
  const client = open(scene);
  const [one, other] = await spread(scene);
  await assert.rejects(client.multi().set(one, 1).set(other, 1).exec(), (error) => {
    assert.strictEqual(error.code, 'EXECABORT');
    assert.deepStrictEqual(
      error.previousErrors.map(({ code, command }) => [code, command]),
      [['MOVED', 'SET']],
    );
    return true;
  });
  assert.deepStrictEqual([await client.get(one), await client.get(other)], [null, null]);
  assert.strictEqual(await client.ping(), 'PONG');
});
