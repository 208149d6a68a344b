'use strict';

const { RedisServer } = require('../__test__/support/redis-server.js');
const { pin } = require('./cores.js');

/** The Redis servers of this benchmark: private, empty before each run, started when first needed. */
class Servers {
  #started = [];

  /** Some servers that hold nothing, on these cores. */
  async provide(count, cores) {
    while (this.#started.length < count) this.#started.push(await RedisServer.start());
    const servers = this.#started.slice(0, count);
    await Promise.all(servers.map((server) => server.call('FLUSHALL')));
    pin(
      servers.map(({ pid }) => pid),
      cores,
    );
    return servers;
  }

  stop() {
    for (const server of this.#started) server.kill();
  }
}

/** The CPU that servers have used since they were started, in µs. */
async function cpuOf(servers) {
  const each = await Promise.all(servers.map((server) => server.call('INFO', 'cpu')));
  const read = (info, what) => Number(info.match(new RegExp(`^${what}:([\\d.]+)`, 'm'))[1]) * 1e6;
  return each.map((info) => read(info, 'used_cpu_user') + read(info, 'used_cpu_sys')).reduce((sum, one) => sum + one);
}

/** A server's version, by its own name. */
async function versionOf(server) {
  const info = await server.call('INFO', 'server');
  const [, version] = info.match(/^(?:valkey|redis)_version:(\S+)/m);
  return version;
}

module.exports = { Servers, cpuOf, versionOf };
