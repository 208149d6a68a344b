'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { fakeNode, named, slotsOf } = require('../support/fake-cluster.js');
const { bulk, reply } = require('../support/fake-redis.js');
const { until } = require('../support/wait-until.js');

const value = ([name]) => (name === 'GET' ? bulk('v') : undefined);

function cluster(scene, ...args) {
  return scene.adopt(scene.hfxbus.ConnectionManager.cluster(...args));
}

ours('credentials of the first startup node apply to all nodes, unless redisOptions has some', async (_, scene) => {
  const node = await fakeNode(scene);
  const { port } = node.options;
  const said = async (startupNode, options) => {
    const before = named(node, 'AUTH').length;
    await cluster(scene, [startupNode], options).getClient('mine').get('k');
    return [...new Set(named(node, 'AUTH').slice(before).map(String))];
  };
  assert.deepStrictEqual(await said(`redis://u:p%40ss@127.0.0.1:${port}`), ['AUTH,u,p@ss']);
  assert.deepStrictEqual(await said({ port, password: 'secret' }), ['AUTH,secret']);
  const redisOptions = { password: 'other' };
  assert.deepStrictEqual(await said({ port, password: 'secret' }, { redisOptions }), ['AUTH,other']);
});

ours('a Redis outside of a Cluster is skipped, or is an error if there is no other node', async (_, scene) => {
  const node = await fakeNode(scene, value);
  const { options } = scene.redis;
  assert.strictEqual(await cluster(scene, [options, node.options]).getClient('mine').get('k'), 'v');
  const failed = cluster(scene, [options]).getClient('mine').get('k');
  await assert.rejects(failed, { code: 'ERR', command: 'GET', message: /cluster support disabled/ });
});

ours('a node that does not know its own name gets the name under which it was queried', async (_, scene) => {
  for (const host of ['', '?']) {
    const node = await fakeNode(scene, value, () => slotsOf({ host, port: node.options.port }));
    assert.strictEqual(await cluster(scene, [node.options]).getClient('mine').get('k'), 'v');
  }
});

ours('a subscriber moves to another node when its own node leaves the Cluster and stays up', async (_, scene) => {
  let members = [];
  const slots = () => slotsOf(...members.map(({ options }) => options));
  const subscribe = ([name, channel]) => (name === 'PSUBSCRIBE' ? reply(['psubscribe', channel, 1]) : undefined);
  const nodes = [await fakeNode(scene, subscribe, slots), await fakeNode(scene, subscribe, slots)];
  members = nodes;
  const connection = cluster(scene, [nodes[0].options], { slotsRefreshInterval: 20 });
  await scene.producer(connection).listen('some*');
  // As long as anybody sends, the slots are kept up to date.
  await connection.getClient('mine').ping();
  const [at] = nodes.filter((node) => named(node, 'PSUBSCRIBE').length > 0);
  members = nodes.filter((node) => node !== at);
  await until(() => named(members[0], 'PSUBSCRIBE').length === 1);
});

ours('a client of a Cluster emits its states, and ends once', async (_, scene) => {
  const node = await fakeNode(scene, value);
  const client = cluster(scene, [node.options], { lazyConnect: true }).getClient('mine');
  const seen = [];
  for (const event of ['connecting', 'ready', 'reconnecting', 'close', 'end', 'error']) {
    client.on(event, () => seen.push(event));
  }
  assert.strictEqual(await client.get('k'), 'v');
  assert.strictEqual(client.status, 'ready');
  assert.strictEqual(await client.quit(), 'OK');
  await until(() => seen.includes('end'));
  assert.deepStrictEqual(seen, ['connecting', 'ready', 'end']);
  await assert.rejects(client.get('k'), { code: 'CONNECTION_CLOSED' });
});
