'use strict';

const checks = require('./validate.js');
const { clusterOptions } = require('./cluster-options.js');
const { connectionOptions } = require('./connection-options.js');
const { ejectOptions } = require('./eject-options.js');
const { withoutUrl } = require('./redis-url.js');

const { retentionOptions } = require('./retention-options.js');

const DEFAULT_KEY_PREFIX = 'hfxbus';

/**
 * Topology of a bus, from the options of `ConnectionManager`, which are not changed.
 * @typedef {object} Topology
 * @property {string} keyPrefix prefix of every key and channel
 * @property {boolean} enablePipelining
 * @property {boolean} isPartitioned true if routes have an effect
 * @property {boolean} hasOneServer true if all keys are on one server, without a Cluster
 * @property {number} [retainFor] time that an entry stays after every group has acknowledged it, in ms, with retention
 * @property {number} backlogLimit maximum number of entries of a stream that a group has not acknowledged; 0 for no limit
 * @property {object} [eject] options of ejection, if nodes can leave the ring
 * @property {Array<{ native: object, given: object }>} nodes nodes in the order of routes: options for the
 *   engine, and options with the user's callbacks
 */

/** @returns {Topology} of one Redis, given options or a URL */
function standalone(given) {
  const options = withoutUrl('standalone', given);
  const node = { native: connectionOptions(options), given: options };
  return { ...ofBus(options), isPartitioned: false, hasOneServer: true, nodes: [node] };
}

/** @returns {Topology} of several Redis, partitioned by this client */
function nodes(given) {
  const options = checks.object('nodes', given);
  if (!Array.isArray(options.nodes) || options.nodes.length === 0) {
    throw new TypeError('nodes must be an array of at least one node');
  }
  const eject = ejectOptions(options.eject);
  const nodes = inSequence(options.nodes).map(partition);
  return { ...ofBus(options), isPartitioned: true, hasOneServer: nodes.length === 1, eject, nodes };
}

/** @returns {Topology} of a Redis Cluster */
function cluster(startupNodes, given) {
  const options = checks.object('cluster', given);
  const { native, callbacks } = clusterOptions(startupNodes, options);
  return { ...ofBus(options, false), isPartitioned: false, hasOneServer: false, nodes: [{ native, given: callbacks }] };
}

function ofBus(options, isPipelined = true) {
  const { keyPrefix, enablePipelining } = options;
  return {
    ...retentionOptions(options),
    keyPrefix: checks.string('keyPrefix', keyPrefix) || DEFAULT_KEY_PREFIX,
    enablePipelining: enablePipelining === undefined ? isPipelined : Boolean(enablePipelining),
  };
}

/** Sorts nodes by `sequence`, by default the index. Equal numbers keep the order of the array. */
function inSequence(given) {
  // `map` would skip holes of the array.
  const numbered = Array.from(given, (node, index) => {
    if (typeof node !== 'string' && (typeof node !== 'object' || node === null)) {
      throw new TypeError(`nodes[${index}] must be an object or a URL`);
    }
    const options = withoutUrl(`nodes[${index}]`, node, `url of nodes[${index}]`);
    return { options, sequence: checks.toNumber(`nodes[${index}].sequence`, options.sequence) ?? index };
  });
  return numbered.sort((left, right) => left.sequence - right.sequence).map(({ options }) => options);
}

function partition(options) {
  const routes = staticRoutes(options.staticRoutes);
  const native = {
    ...connectionOptions(options),
    nodePrefix: checks.string('keyPrefix', options.keyPrefix) || undefined,
    staticRoutes: routes.filter((route) => typeof route === 'string'),
    // A number is a hash. A number outside the range of hashes has no effect.
    staticHashes: routes.filter((route) => Number.isInteger(route) && route >= 0 && route < 2 ** 16),
  };
  return { native, given: options };
}

function staticRoutes(given) {
  if (given === undefined || given === null) return [];
  const isRoute = (route) => typeof route === 'string' || typeof route === 'number';
  if (!Array.isArray(given) || !given.every(isRoute)) {
    throw new TypeError('staticRoutes must be an array of strings and numbers');
  }
  return given;
}

module.exports = { standalone, nodes, cluster };
