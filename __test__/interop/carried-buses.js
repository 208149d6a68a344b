'use strict';

const { RedisCluster } = require('../support/redis-cluster.js');
const { RedisServer } = require('../support/redis-server.js');
const { SentinelGroup } = require('../support/sentinel-group.js');

/** Starts three servers that are a bus together. */
async function startNodes(route) {
  const servers = await Promise.all(Array.from({ length: 3 }, () => RedisServer.start()));
  return {
    servers,
    open: ({ ConnectionManager }) => ConnectionManager.nodes({ nodes: servers.map(({ options }) => ({ ...options })) }),
    routed: ({ DISTRIBUTED_ROUTING }) => ({ route: route ?? DISTRIBUTED_ROUTING }),
    kill: () => {
      for (const server of servers) server.kill();
    },
  };
}

async function startStandalone() {
  const server = await RedisServer.start();
  return {
    servers: [server],
    open: ({ ConnectionManager }) => ConnectionManager.standalone(server.options),
    routed: () => ({}),
    kill: () => server.kill(),
  };
}

async function startCluster() {
  const cluster = await RedisCluster.start();
  return {
    servers: cluster.primaries,
    open: ({ ConnectionManager }) => ConnectionManager.cluster(cluster.startupNodes),
    routed: () => ({}),
    kill: () => cluster.kill(),
  };
}

async function startSentinels() {
  const group = await SentinelGroup.start();
  return {
    servers: [await group.primary()],
    open: ({ ConnectionManager }) => ConnectionManager.standalone(group.options),
    routed: () => ({}),
    kill: () => group.kill(),
  };
}

/**
 * Buses, by name. Each start resolves with the `servers` of streams and payload keys, `open(hfxbus)` for a connection,
 * `routed(hfxbus)` with the options of sends and consumers, and `kill()`.
 */
const BUSES = {
  standalone: startStandalone,
  'nodes() with a route': () => startNodes('there'),
  'nodes() with DISTRIBUTED_ROUTING': () => startNodes(),
  'a Cluster': startCluster,
  Sentinel: startSentinels,
};

module.exports = { BUSES };
