'use strict';

const checks = require('./validate.js');
const { connectionOptions } = require('./connection-options.js');
const { natMap } = require('./nat-map.js');
const { isUrl, optionsOf } = require('./redis-url.js');

/** Values of `scaleReads`, with the engine's numbers. */
const SCALE_READS = new Map([
  ['master', 0],
  ['slave', 1],
  ['all', 2],
]);

/** Values of `completions`. */
const COMPLETIONS = ['published', 'sharded'];

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 6379;

/**
 * Converts the options of a Cluster, with names, defaults and meanings of ioredis 4, into those of the engine.
 * @param {Array<string | number | object>} startupNodes nodes that are asked for the others
 * @param {object} given
 * @returns {{ native: object, callbacks: object }} options for the engine, and the user's callbacks
 */
function clusterOptions(startupNodes, given) {
  // Without SRV records the names would lead to other servers.
  if (given.useSRVRecords) throw new TypeError('useSRVRecords is not supported: name the nodes');
  const nodes = startup(startupNodes);
  const redisOptions = checks.object('redisOptions', given.redisOptions);
  const clusterRetryStrategy = checks.callback('clusterRetryStrategy', given.clusterRetryStrategy);
  // Credentials of one node apply to all nodes, since they are one Cluster. The first node with an option decides.
  const shared = Object.assign({}, ...nodes.map((node) => node.shared).reverse());
  const switches = Object.fromEntries(SWITCHES.map((name) => [name, given[name] ?? redisOptions[name]]));
  const native = {
    ...connectionOptions({ ...shared, ...defined(redisOptions), ...PLACELESS, ...defined(switches) }),
    asksRetry: clusterRetryStrategy !== undefined,
    cluster: {
      startup: nodes.map(({ host, port }) => ({ host, port })),
      nat: natMap(given.natMap),
      reads: scaleReads(given.scaleReads),
      maxRedirections: checks.count('maxRedirections', given.maxRedirections, { least: 0 }),
      hasShardedCompletions: hasShardedCompletions(given.completions),
      ...times(given),
    },
  };
  const callbacks = { retryStrategy: clusterRetryStrategy, reconnectOnError: redisOptions.reconnectOnError };
  return { native, callbacks };
}

/**
 * Returns the addresses of startup nodes, the options of a connection to any single node, and the external addresses.
 * @returns {{ startup: Array<{ host: string, port: number }>, options: object, nat: Array<{ from: object, to: object }> }}
 */
function nodeOptions(startupNodes, given) {
  const nodes = startup(startupNodes);
  const shared = Object.assign({}, ...nodes.map((node) => node.shared).reverse());
  const options = { ...shared, ...defined(checks.object('redisOptions', given.redisOptions)), ...PLACELESS };
  return { startup: nodes.map(({ host, port }) => ({ host, port })), options, nat: natMap(given.natMap) };
}

/** Options of the Cluster as a whole. */
const SWITCHES = ['enableOfflineQueue', 'enableReadyCheck', 'lazyConnect'];

/** Options that a Cluster's node does not take: its address is discovered, and a Cluster has one database. */
const PLACELESS = { host: undefined, port: undefined, path: undefined, db: undefined };

/** Options of a URL that a Cluster's node does not take. */
const ELSEWHERE = ['path', 'keyPrefix', 'sequence', 'enablePipelining', 'retain', 'retainFor', 'backlogLimit'];

function defined(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function startup(given) {
  if (!Array.isArray(given) || given.length === 0) {
    throw new TypeError('startupNodes must be an array of at least one node');
  }
  return given.map((node, index) => address(`startupNodes[${index}]`, node));
}

/**
 * Converts a node: a port, a URL, `host:port`, or an object of options.
 * @returns {{ host: string, port: number, shared: object }} `shared` has options for every node
 */
function address(name, given) {
  if (typeof given === 'number') return at(name, { port: given });
  if (typeof given === 'string') return /^\d+$/.test(given) ? at(name, { port: given }) : ofUrl(name, given);
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`${name} must be a port, a URL or an object with host and port`);
  }
  if (isUrl(given)) return ofUrl(name, given);
  const { url, host, port: number, username, password, tls } = given;
  const parsed = url === undefined || url === null ? {} : ofUrl(`${name}.url`, url);
  return at(name, {
    host,
    port: number,
    ...parsed,
    shared: { ...defined({ username, password, tls }), ...parsed.shared },
  });
}

function ofUrl(name, given) {
  if (typeof given !== 'string' && !isUrl(given)) throw new TypeError(`${name} must be a string or a URL`);
  const isAddress = typeof given === 'string' && !given.includes('//');
  const { host, port: number, db, ...shared } = optionsOf(name, isAddress ? `redis://${given}` : given);
  if (db > 0) throw new TypeError(`${name} cannot be used: a Cluster has no database but 0`);
  const odd = ELSEWHERE.find((option) => shared[option] !== undefined);
  if (odd !== undefined) throw new TypeError(`${name} cannot be used: ${odd} is no option of a Cluster's node`);
  return { ...defined({ host, port: number }), shared: defined(shared) };
}

function at(name, { host, port: number, shared = {} }) {
  return {
    host: checks.string(`${name}.host`, host) || DEFAULT_HOST,
    port: checks.port(`${name}.port`, number) ?? DEFAULT_PORT,
    shared,
  };
}

function scaleReads(given) {
  if (given === undefined || given === null) return undefined;
  const number = SCALE_READS.get(given);
  if (number === undefined) throw new TypeError("scaleReads must be 'master', 'slave' or 'all'");
  return number;
}

function hasShardedCompletions(given) {
  if (given === undefined || given === null) return undefined;
  const index = COMPLETIONS.indexOf(given);
  if (index < 0) throw new TypeError("completions must be 'published' or 'sharded'");
  return index === 1;
}

/** Converts times, which must be finite. A negative `refreshInterval` means no refresh to the engine. */
function times(given) {
  const time = (name) => {
    const ms = checks.time(name, given[name]);
    if (ms === Infinity) throw new RangeError(`${name} must be a finite number of milliseconds`);
    return ms;
  };
  const interval = checks.time('slotsRefreshInterval', given.slotsRefreshInterval);
  return {
    movedDelay: time('retryDelayOnMoved'),
    failoverDelay: time('retryDelayOnFailover'),
    clusterDownDelay: time('retryDelayOnClusterDown'),
    tryAgainDelay: time('retryDelayOnTryAgain'),
    refreshTimeout: time('slotsRefreshTimeout'),
    refreshInterval: interval === 0 || interval === Infinity ? -1 : interval,
  };
}

module.exports = { clusterOptions, nodeOptions };
