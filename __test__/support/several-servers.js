'use strict';

const { keys } = require('./keys.js');

/** Arrangements of several servers: the servers of a case, connections to their bus, and the options of one in another process. */
const severalServers = {
  'a Cluster': async (scene) => {
    const cluster = await scene.cluster();
    const connect = () => scene.connectCluster(cluster);
    return { servers: cluster.primaries, connect, bus: { startupNodes: cluster.startupNodes } };
  },
  'several nodes': async (scene) => {
    const servers = await scene.nodes();
    const connect = () => scene.partition(servers);
    return { servers, connect, bus: { nodes: servers.map(({ options }) => options) } };
  },
};

/** Connects to the bus of an arrangement. `options` are those of a connection to a Cluster. */
function connectBus({ ConnectionManager }, { nodes, startupNodes }, options) {
  return nodes ? ConnectionManager.nodes({ nodes }) : ConnectionManager.cluster(startupNodes, options);
}

/** The names in Redis of the partitions of the case's stream, by server. */
function partitionsBy(servers, stream) {
  return Promise.all(servers.map((server) => server.call('KEYS', keys.stream(`${stream}#*`))));
}

/** The number of pending entries of the case's group in all partitions. */
async function pendingIn(scene, servers) {
  const counts = [];
  for (const [at, names] of (await partitionsBy(servers, scene.stream)).entries()) {
    counts.push(...names.map((name) => servers[at].call('XPENDING', name, keys.group(scene.group))));
  }
  return (await Promise.all(counts)).reduce((sum, [count]) => sum + count, 0);
}

module.exports = { severalServers, connectBus, partitionsBy, pendingIn };
