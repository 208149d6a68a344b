'use strict';

const { optionsOf } = require('../../../facade/api/connection-manager.js');
const topology = require('../../../facade/options/bus-options.js');
const { nodeOptions } = require('../../../facade/options/cluster-options.js');

/** Short time limits: a person waits for the reply, and a server that is down must not hold up the others. */
const LIMITS = { connectTimeout: 5000, commandTimeout: 5000, maxRetriesPerRequest: 0 };

/** Options that belong to the bus of the program, and not to a connection for reading. */
const NOT_OURS = {
  keyPrefix: undefined,
  lazyConnect: undefined,
  retryStrategy: undefined,
  sentinelRetryStrategy: undefined,
  reconnectOnError: undefined,
  enableOfflineQueue: true,
  maxQueuedCommands: undefined,
  maxQueuedBytes: undefined,
};

/**
 * Server of a bus, or a node of a Cluster that is asked for the others.
 * @typedef {{ name: string, node: number, prefix: string, options: object }} Endpoint
 */

/**
 * Returns the servers of a ConnectionManager, with options of a connection to each.
 * @returns {{ endpoints: Endpoint[], nat: object[] | null }} `nat` has the external addresses of a Cluster
 */
function endpointsOf(manager) {
  const { standalone, cluster, startupNodes, nodes } = optionsOf(manager);
  const native = manager.nativeBus();
  const prefixOf = (node) => native.streamKey(node, '').slice(0, -':str:'.length);
  const endpoint = (options, node) => ({ name: nameOf(options), node, prefix: prefixOf(node), options: ours(options) });
  if (standalone || standalone === '') {
    return { endpoints: topology.standalone(standalone).nodes.map(({ given }, at) => endpoint(given, at)), nat: null };
  }
  if (cluster ?? startupNodes) {
    const { startup, options, nat } = nodeOptions(startupNodes, cluster ?? {});
    return { endpoints: startup.map((address) => endpoint({ ...options, ...address }, 0)), nat };
  }
  return { endpoints: topology.nodes(nodes).nodes.map(({ given }, at) => endpoint(given, at)), nat: null };
}

function ours(options) {
  return { ...options, ...NOT_OURS, ...LIMITS };
}

/** Returns the address of a server, without credentials. */
function nameOf({ path, sentinels, name, host, port }) {
  if (path) return path;
  if (sentinels) return `${name}`;
  const found = host || 'localhost';
  return `${found.includes(':') ? `[${found}]` : found}:${port ?? 6379}`;
}

module.exports = { endpointsOf, nameOf };
