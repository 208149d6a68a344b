'use strict';

const { RedisCluster } = require('../__test__/support/redis-cluster.js');
const { RedisServer } = require('../__test__/support/redis-server.js');
const { pin } = require('./cores.js');
const { NatsServer } = require('./nats-server.js');
const { Network } = require('./network/network.js');

/** So many nodes have those that are no single server. */
const NODES = 3;

/** The servers of this benchmark: private, empty before each run, started when first needed. */
class Servers {
  #nodes = [];
  #cluster = null;
  #nats = null;
  #durable = null;

  network = new Network();

  /**
   * Servers that hold nothing.
   * @param {object} wanted
   * @param {'redis' | 'nats'} [wanted.server]
   * @param {'standalone' | 'nodes' | 'cluster'} [wanted.topology]
   * @param {'everysec' | 'always'} [wanted.appendfsync] for one server that keeps its data on disk
   * @param {number} [wanted.cores] on how many cores; on all without a number
   */
  async provide({ server = 'redis', topology = 'standalone', appendfsync, cores } = {}) {
    const servers = server === 'nats' ? await this.#freshNats(appendfsync) : await this.#redis(topology, appendfsync);
    pin(
      servers.map(({ pid }) => pid),
      cores,
    );
    return servers;
  }

  stop() {
    for (const server of this.#nodes) server.kill();
    this.#cluster?.kill();
    this.#durable?.kill();
    this.#nats?.kill();
    this.network.end();
  }

  #redis(topology, appendfsync) {
    return appendfsync ? this.#freshDurable(appendfsync) : this.#emptyRedis(topology);
  }

  async #emptyRedis(topology) {
    const servers = topology === 'cluster' ? await this.#primaries() : await this.#singles(topology);
    await Promise.all(servers.map((server) => server.call('FLUSHALL')));
    return servers;
  }

  /** A new server has an empty file. A rewrite of the file would disturb one run and not the next. */
  async #freshDurable(appendfsync) {
    this.#durable?.kill();
    const settings = ['--appendonly', 'yes', '--appendfsync', appendfsync, '--auto-aof-rewrite-percentage', '0'];
    this.#durable = await RedisServer.start(...settings);
    return [this.#durable];
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

  /** A new one is an empty one. */
  async #freshNats(appendfsync) {
    this.#nats?.kill();
    this.#nats = await NatsServer.start({ appendfsync });
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

/** Returns the memory of some Redis, in bytes. */
async function memoryOf(servers) {
  const each = await Promise.all(servers.map((server) => server.call('INFO', 'memory')));
  return each.reduce((sum, info) => sum + read(info, 'used_memory'), 0);
}

/** A server's version, by its own name. */
async function versionOf(server) {
  const info = await server.call('INFO', 'server');
  const [, version] = info.match(/^(?:valkey|redis)_version:(\S+)/m);
  return version;
}

module.exports = { NODES, Servers, connectionsOf, cpuOf, memoryOf, versionOf };
