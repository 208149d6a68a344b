'use strict';

/* That Redis 7.2 and later know the connections of a bus by the name of its library, on every topology. */

const assert = require('node:assert');
const { version } = require('../../package.json');
const { ours } = require('../support/cases.js');
const { FakeSentinel } = require('../support/fake-sentinel.js');
const { until } = require('../support/wait-until.js');

/** Opens a bus on each topology, with options for its connections. Resolves with its connection and its servers. */
const TOPOLOGIES = {
  'a single Redis': async (scene, options) => {
    const redis = await scene.server();
    return { servers: [redis], connection: scene.connect({ ...redis.options, ...options }) };
  },
  'several nodes': async (scene, options) => {
    const servers = [await scene.server(), await scene.server()];
    const nodes = servers.map((server) => ({ ...server.options, ...options }));
    return { servers, connection: scene.adopt(scene.hfxbus.ConnectionManager.nodes({ nodes })) };
  },
  'a primary behind sentinels': async (scene, options) => {
    const redis = await scene.server();
    const fake = await FakeSentinel.start((made) => {
      made.primary = redis.options;
    });
    scene.closing(() => fake.kill());
    const given = { sentinels: [fake.address], name: 'main', ...options };
    return { servers: [redis], connection: scene.adopt(scene.hfxbus.ConnectionManager.standalone(given)) };
  },
  'a Cluster': async (scene, options) => {
    const cluster = await scene.cluster();
    return { servers: cluster.nodes, connection: scene.connectCluster(cluster, { redisOptions: options }) };
  },
};

/** Sends a job and waits for its completion. Resolves with all errors of the bus. */
async function roundTrip(scene, connection) {
  const consumer = await scene.play(async () => {}, { connection });
  const producer = scene.producer(connection);
  const errors = [...[consumer, producer].map((one) => scene.errors(one))];
  const sent = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  await sent.finished(8000);
  return errors.flat();
}

/** Resolves with the connections of a name on some servers. */
async function rowsOf(servers, name) {
  const lists = await Promise.all(servers.map((server) => server.call('CLIENT', 'LIST')));
  return lists.flatMap((list) => list.split('\n').filter((row) => row.includes(` name=${name} `)));
}

for (const [name, open] of Object.entries(TOPOLOGIES)) {
  ours(`each connection to ${name} has the name and the version of the library`, async (_, scene) => {
    const { servers, connection } = await open(scene, { connectionName: scene.stream });
    assert.deepStrictEqual(await roundTrip(scene, connection), []);
    const rows = await until(async () => {
      const found = await rowsOf(servers, scene.stream);
      return found.length >= 3 && found;
    });
    for (const row of rows.filter((row) => row.includes(' lib-name='))) {
      assert.ok(row.includes(` lib-name=hfxbus lib-ver=${version}`), row);
    }
  });

  ours(`a user without the right to CLIENT on ${name} has a bus without errors`, async (_, scene) => {
    const user = { username: scene.name('user'), password: 'secret' };
    const { servers, connection } = await open(scene, { ...user, lazyConnect: true });
    const rights = ['on', '>secret', '~*', '&*', '+@all', '-client'];
    for (const server of servers) await server.call('ACL', 'SETUSER', user.username, ...rights);
    assert.deepStrictEqual(await roundTrip(scene, connection), []);
  });
}
