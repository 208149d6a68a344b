'use strict';

const { RedisCluster } = require('../__test__/support/redis-cluster.js');
const { RedisServer } = require('../__test__/support/redis-server.js');
const { pin } = require('./cores.js');
const { NatsServer } = require('./nats-server.js');

/** So many nodes have those that are no single server. */
const NODES = 3;

/** The servers of this benchmark: private, empty before each run, started when first needed. */
class Servers {
  #nodes = [];
  #cluster = null;
  #nats = null;

  /**
   * Servers that hold nothing.
   * @param {{ server?: 'redis' | 'nats', topology?: 'standalone' | 'nodes' | 'cluster', cores?: number }} wanted which
   *   ones, and on how many cores; on all without a number
   */
  async provide({ server = 'redis', topology = 'standalone', cores } = {}) {
    const servers = server === 'nats' ? await this.#freshNats() : await this.#emptyRedis(topology);
    pin(
      servers.map(({ pid }) => pid),
      cores,
    );
    return servers;
  }

  stop() {
    for (const server of this.#nodes) server.kill();
    this.#cluster?.kill();
    this.#nats?.kill();
  }

  async #emptyRedis(topology) {
    const servers = topology === 'cluster' ? await this.#primaries() : await this.#singles(topology);
    await Promise.all(servers.map((server) => server.call('FLUSHALL')));
    return servers;
  }

  async #primaries() {
    this.#cluster ??= await RedisCluster.start({ primaries: NODES });
    return this.#cluster.primaries;
  }

  async #singles(topology) {
    const count = topology === 'nodes' ? NODES : 1;
    while (this.#nodes.length < count) this.#nodes.push(await RedisServer.start());
    return this.#nodes.slice(0, count);
  }

  /** Its streams live in its memory: a new one is an empty one. */
  async #freshNats() {
    this.#nats?.kill();
    this.#nats = await NatsServer.start();
    return [this.#nats];
  }
}

/** The CPU that servers have used since they were started, in µs. */
async function cpuOf(servers) {
  const each = await Promise.all(servers.map((server) => (server.cpu ? server.cpu() : redisCpu(server))));
  return each.reduce((sum, one) => sum + one);
}

async function redisCpu(server) {
  const info = await server.call('INFO', 'cpu');
  return (read(info, 'used_cpu_user') + read(info, 'used_cpu_sys')) * 1e6;
}

/** Returns the number of connections of other processes to some Redis. */
async function connectionsOf(servers) {
  const each = await Promise.all(servers.map((server) => server.call('INFO', 'clients')));
  return each.reduce((sum, info) => sum + read(info, 'connected_clients') - 1, 0);
}

function read(info, what) {
  return Number(info.match(new RegExp(`^${what}:([\\d.]+)`, 'm'))[1]);
}

/** A server's version, by its own name. */
async function versionOf(server) {
  const info = await server.call('INFO', 'server');
  const [, version] = info.match(/^(?:valkey|redis)_version:(\S+)/m);
  return version;
}

module.exports = { NODES, Servers, connectionsOf, cpuOf, versionOf };
