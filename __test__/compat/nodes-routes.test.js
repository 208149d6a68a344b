'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { crc16, nodeOf } = require('../support/routes.js');

/** Routes and their hashes, as 2.2.0 has them. */
const VECTORS = [
  ['', 0],
  ['a', 59585],
  ['0', 5120],
  ['123456789', 47933],
  ['worldConcat', 39363],
  ['myRoute', 18149],
  ['IdentityService', 14468],
  ['SignUpLead', 11930],
  ['ValidateSignUp', 9553],
  ['concat', 56088],
  ['hfxbus', 60382],
  ['job1', 29125],
  ['job2', 28805],
  ['job3', 45124],
  ['job4', 29189],
  ['sA', 229],
  ['sB', 421],
  ['sC', 49508],
  ['grp', 39828],
  ['12345', 42069],
  ['ação', 62631],
  ['é', 36496],
  ['日本語', 37575],
  ['😀', 20073],
  ['\u0000', 0],
  ['\ud800', 46209],
  ['V1StGXR8_Z5jdHi6', 1905],
  ['Symbol(myRoute)', 60981],
  ['the quick brown fox jumps over the lazy dog', 17537],
];

/** Returns the index of the node of a route. */
function lead(connection, route) {
  return connection.getClients('k').indexOf(connection.getClientByRoute('k', route));
}

/** The ports of a bus' nodes, in their order. Until its connections are there, 2.2.0 cannot be stopped. */
async function portsOf(connection) {
  const replies = await Promise.all(connection.getClients('k').map((client) => client.call('config', 'get', 'port')));
  return replies.map(([, port]) => Number(port));
}

for (const count of [1, 2, 3]) {
  keep(`B-107 a route leads to the node of its hash, of ${count}`, async (_, scene) => {
    const nodes = (await scene.nodes()).slice(0, count);
    const connection = scene.partition(nodes);
    assert.deepStrictEqual(
      await portsOf(connection),
      nodes.map(({ port }) => port),
    );
    for (const [route, hash] of VECTORS) {
      assert.strictEqual(crc16(route), hash, route);
      assert.strictEqual(lead(connection, route), hash % count, JSON.stringify(route));
    }
  });
}

keep('B-107 a payload is on the node of the hash of its job', async (_, scene) => {
  const nodes = await scene.nodes();
  const producer = scene.producer(scene.partition(nodes));
  for (const [id, hash] of VECTORS.slice(1)) {
    await producer.job(id).set('key', id).push();
    const found = await Promise.all(nodes.map((node) => node.call('EXISTS', keys.payload(id, 'key'))));
    assert.deepStrictEqual(
      found,
      [0, 1, 2].map((node) => Number(node === hash % 3)),
      JSON.stringify(id),
    );
    const pulled = await producer.job(id).get('key', false).del('key').pull();
    assert.deepStrictEqual(pulled, { key: id });
    assert.strictEqual(await nodes[hash % 3].call('EXISTS', keys.payload(id, 'key')), 0);
  }
});

const SEQUENCES = [
  { title: 'their place in the array', given: [undefined, undefined, undefined], order: [0, 1, 2] },
  { title: 'their sequence', given: [2, 0, 1], order: [1, 2, 0] },
  { title: 'their place in the array where they have none', given: [undefined, undefined, 0], order: [0, 2, 1] },
  { title: 'their place in the array where they have the same', given: [7, 7, -1], order: [2, 0, 1] },
];

for (const { title, given, order } of SEQUENCES) {
  keep(`B-107 nodes are counted by ${title}`, async (_, scene) => {
    const nodes = await scene.nodes();
    const each = given.map((sequence) => (sequence === undefined ? {} : { sequence }));
    assert.deepStrictEqual(
      await portsOf(scene.partition(nodes, { each })),
      order.map((at) => nodes[at].port),
    );
  });
}

keep('B-107 static routes lead to their node: names by their hash, numbers as the hash', async (_, scene) => {
  const nodes = await scene.nodes();
  const connection = scene.partition(nodes, {
    each: [
      { staticRoutes: ['myRoute', 14468] },
      { staticRoutes: ['12345', crc16('concat'), 'shared'] },
      { staticRoutes: ['shared', 'both', crc16('both')] },
    ],
  });
  await portsOf(connection);
  // Without them these lead to 2, 2, 0, 0 and wherever.
  assert.deepStrictEqual(
    ['myRoute', 'IdentityService', '12345', 'concat', 'shared', 'both'].map((route) => lead(connection, route)),
    [0, 0, 1, 1, 2, 2],
  );
  assert.deepStrictEqual(
    ['SignUpLead', 'ValidateSignUp', 'hfxbus'].map((route) => lead(connection, route)),
    [2, 1, 1],
  );
});

keep('B-107 a numeric string is a name, not a hash', async (_, scene) => {
  const connection = scene.partition(await scene.nodes(), { each: [{ staticRoutes: [String(crc16('job4'))] }] });
  await portsOf(connection);
  assert.strictEqual(lead(connection, 'job4'), 2);
  assert.strictEqual(lead(connection, String(crc16('job4'))), 0);
});

keep('B-107 static routes follow their node when its position changes', async (_, scene) => {
  const nodes = await scene.nodes();
  const connection = scene.partition(nodes, {
    each: [{ sequence: 2, staticRoutes: ['mine'] }, { sequence: 1 }, { sequence: 0, staticRoutes: ['other'] }],
  });
  assert.deepStrictEqual(
    (await portsOf(connection)).map((port) => nodes.findIndex((node) => node.port === port)),
    [2, 1, 0],
  );
  assert.deepStrictEqual([lead(connection, 'mine'), lead(connection, 'other')], [2, 0]);
});

keep('B-104 a partitioned bus has a client for each node', async (_, scene) => {
  const connection = scene.partition(await scene.nodes());
  assert.strictEqual(connection.getClients('k').length, 3);
  assert.deepStrictEqual(connection.getClients('k'), connection.getClients('k'));
  const other = connection.getClientByRoute('other', 'a');
  assert.notStrictEqual(other, connection.getClientByRoute('k', 'a'));
  await Promise.all([portsOf(connection), other.call('ping')]);
});

// 2.2.0 throws too, but leaves a connection behind that cannot be closed.
fix('B-104 a partitioned bus has no client without a route', async (_, scene) => {
  const connection = scene.partition(await scene.nodes());
  assert.throws(() => connection.getClient('k'), TypeError);
  for (const route of [undefined, null, Symbol('route')]) {
    assert.throws(() => connection.getClientByRoute('k', route), TypeError);
  }
});

fix('B-100 the options of a partitioned bus stay as they were given, frozen or not', async (_, scene) => {
  const servers = await scene.nodes();
  const given = () => ({
    keyPrefix: 'mine',
    nodes: servers.map(({ options }, at) => ({
      ...options,
      ...(at === 0 ? {} : { sequence: 9 - at }),
      keyPrefix: `node-${at}:`,
      staticRoutes: [`route-${at}`, at],
      tls: undefined,
    })),
  });
  const [plain, frozen] = [given(), given()];
  for (const node of frozen.nodes) {
    Object.freeze(node.staticRoutes);
    Object.freeze(node);
  }
  Object.freeze(frozen.nodes);
  for (const options of [plain, Object.freeze(frozen)]) {
    const connection = scene.adopt(scene.hfxbus.ConnectionManager.nodes(options));
    assert.strictEqual(connection.getKeyPrefix(), 'mine');
    assert.deepStrictEqual(
      await portsOf(connection),
      [0, 2, 1].map((at) => servers[at].port),
    );
    assert.strictEqual(lead(connection, 'route-1'), 2);
    assert.deepStrictEqual(options, given());
  }
});

fix('a node may be a URL', async (_, scene) => {
  const servers = await scene.nodes();
  const nodes = servers.map(({ port }) => `redis://127.0.0.1:${port}`);
  const connection = scene.adopt(scene.hfxbus.ConnectionManager.nodes({ nodes }));
  assert.deepStrictEqual(
    await portsOf(connection),
    servers.map(({ port }) => port),
  );
  const job = scene.producer(connection).job();
  await job.set('key', 1).push();
  assert.strictEqual(await servers[nodeOf(job.id)].call('EXISTS', keys.payload(job.id, 'key')), 1);
});

/** Invalid options of a bus, and the option that the error must name. */
const REFUSED = [
  [undefined, TypeError, /^nodes\b/],
  [null, TypeError, /^nodes\b/],
  [{}, TypeError, /^nodes\b/],
  [{ nodes: [] }, TypeError, /^nodes\b/],
  [{ nodes: {} }, TypeError, /^nodes\b/],
  [{ nodes: 'localhost' }, TypeError, /^nodes\b/],
  [{ nodes: [null] }, TypeError, /^nodes\[0\]/],
  [{ nodes: [{}, undefined] }, TypeError, /^nodes\[1\]/],
  [{ nodes: [{}, 5] }, TypeError, /^nodes\[1\]/],
  [{ nodes: ['no url'] }, TypeError, /url/],
  [{ nodes: [{ sequence: 'first' }] }, TypeError, /^nodes\[0\]\.sequence\b/],
  [{ nodes: [{ staticRoutes: 'route' }] }, TypeError, /^staticRoutes\b/],
  [{ nodes: [{ staticRoutes: [{}] }] }, TypeError, /^staticRoutes\b/],
  [{ nodes: [{ staticRoutes: [Symbol('route')] }] }, TypeError, /^staticRoutes\b/],
  [{ nodes: [{ port: 70000 }] }, RangeError, /^port\b/],
  [{ nodes: [{ keyPrefix: {} }] }, TypeError, /^keyPrefix\b/],
  [{ nodes: [{}], keyPrefix: {} }, TypeError, /^keyPrefix\b/],
];

fix('invalid options of several nodes are rejected by name', async (_, scene) => {
  const { ConnectionManager } = scene.hfxbus;
  for (const [options, type, message] of REFUSED) {
    assert.throws(
      () => ConnectionManager.nodes(options),
      (error) => error instanceof type && message.test(error.message),
      String(message),
    );
  }
});

fix(
  'missing options of a node mean the default, and static routes with impossible hashes have no effect',
  async (_, scene) => {
    const connection = scene.partition(await scene.nodes(), {
      each: [
        { sequence: Number.NaN, staticRoutes: undefined },
        { sequence: null, staticRoutes: null },
        { staticRoutes: [Number.NaN, -1, 1.5, 70000, Number.POSITIVE_INFINITY] },
      ],
    });
    for (const [route, hash] of VECTORS) assert.strictEqual(lead(connection, route), hash % 3);
  },
);
