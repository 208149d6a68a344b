'use strict';

const { keys } = require('./keys.js');
const { RedisCluster } = require('./redis-cluster.js');
const { RedisServer } = require('./redis-server.js');
const { until } = require('./wait-until.js');
const { ConnectionManager, Consumer, Producer } = require('../../index.js');

const OF = { stream: 'orders', partitions: 4 };
const GROUPS = ['billing', 'shipping'];
/** Jobs that are sent, and those that each consumer holds. */
const [SENT, HELD] = [12, 3];

/** Starts servers with a bus, as one of the arrangements. */
const STARTS = {
  'one Redis': async (t) => {
    const redis = await started(t);
    const connection = ConnectionManager.standalone(redis.options);
    return { connection, servers: [redis], urls: [urlOf(redis)] };
  },
  'nodes()': async (t) => {
    const servers = await Promise.all([started(t), started(t), started(t)]);
    const connection = ConnectionManager.nodes({ nodes: servers.map(({ options }) => options) });
    return { connection, servers, urls: servers.map(urlOf) };
  },
  'a Cluster': async (t) => {
    const cluster = await RedisCluster.start();
    t.after(() => cluster.kill());
    const connection = ConnectionManager.cluster(cluster.startupNodes);
    return { connection, servers: cluster.primaries, urls: [urlOf(cluster.primaries[1])] };
  },
};

async function started(t) {
  const server = await RedisServer.start();
  t.after(() => server.kill());
  return server;
}

function urlOf({ port }) {
  return `redis://127.0.0.1:${port}`;
}

/** Names of the arrangements. */
const ARRANGEMENTS = Object.keys(STARTS);

/** A bus with a partitioned stream. The group `billing` has read nothing, and a consumer of `shipping` holds some jobs. */
async function partitionedBus(t, arrangement) {
  const { connection, servers, urls } = await STARTS[arrangement](t);
  t.after(() => connection.stop({ force: true }));
  const [idle, busy] = GROUPS.map((group) => new Consumer(connection, { group, concurrency: HELD, readAhead: 0 }));
  let running = 0;
  const processor = () => {
    running++;
    return new Promise(() => {});
  };
  await idle.process({ ...OF, processor }).play();
  await idle.pause();
  await busy.process({ ...OF, processor }).play();
  const producer = new Producer(connection);
  for (let at = 0; at < SENT; at++) await producer.send({ ...OF, job: producer.job() });
  await producer.send({ ...OF, job: producer.job(), delay: 3_600_000 });
  await until(() => running === HELD);
  return { connection, servers, urls, producer };
}

/** Returns the partitions that some servers have, by their number, with the name of the server. */
async function partitionsIn(servers) {
  const begin = keys.stream('orders#');
  const found = await Promise.all(
    servers.map(async (server) => {
      const names = await server.call('KEYS', `${begin}*`);
      return names.map((key) => ({ key, server, number: Number.parseInt(key.slice(begin.length), 10) }));
    }),
  );
  return found.flat().sort((left, right) => left.number - right.number);
}

module.exports = { ARRANGEMENTS, HELD, OF, SENT, partitionedBus, partitionsIn };
