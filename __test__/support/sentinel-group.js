'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { RedisServer, freePort } = require('./redis-server.js');
const { until } = require('./wait-until.js');

/**
 * Silence after which each sentinel takes a server to be down, in ms. Two sentinels are enough for a decision. A third
 * candidate would sometimes split the vote, which costs seconds.
 */
const DOWN_AFTER = [500, 500, 20000];
/**
 * Periods of the sentinels' queries and publications, in ms. A replica that was silent for five ping periods is not
 * promoted. A promotion without a publication for four publish periods is undone. Shorter periods make failovers fail on a
 * busy machine. Redis 6.2 has no such setting.
 */
const PERIODS = ['info-period', '500', 'ping-period', '500', 'ask-period', '100', 'publish-period', '750'];
/** A primary waits some seconds for more replicas before it sends the first one its data. */
const SYNCED_AT_ONCE = ['--repl-diskless-sync-delay', '0'];

/**
 * Maximum time until an old primary follows the new one, in ms. Without a setting for the periods, sentinels query it every
 * ten seconds, and wait for eight before they reconfigure it.
 */
const FOLLOWED_WITHIN = 60_000;

let identities = 0;

/** A sentinel: a Redis with a configuration that it writes to. */
class Sentinel extends RedisServer {
  #config;
  /** 40 hexadecimal digits. */
  id = `${process.pid}${identities++}`.padEnd(40, 'a');

  constructor(port, password) {
    super(port, [], password);
    this.#config = [`port ${port}`, 'bind 127.0.0.1', `sentinel myid ${this.id}`];
    if (password) this.#config.push(`requirepass ${password}`, `sentinel sentinel-pass ${password}`);
  }

  /** Adds lines to its configuration. */
  configure(...lines) {
    this.#config.push(...lines);
  }

  arguments(folder) {
    const file = path.join(folder, 'sentinel.conf');
    fs.writeFileSync(file, [...this.#config, `dir ${folder}`].join('\n'));
    return [file, '--sentinel'];
  }
}

/** Three sentinels, which watch a primary and its replica. */
class SentinelGroup {
  name = 'main';
  /** Primary and replica, in whichever order. */
  servers = [];
  sentinels = [];

  /** @param {{ password?: string }} [options] what the sentinels ask for */
  static async start({ password } = {}) {
    const group = new SentinelGroup();
    const primary = await RedisServer.start(...SYNCED_AT_ONCE);
    const replica = await RedisServer.start(...SYNCED_AT_ONCE, '--replicaof', '127.0.0.1', String(primary.port));
    group.servers = [primary, replica];
    for (let count = 0; count < 3; count++) group.sentinels.push(new Sentinel(await freePort(), password));
    for (const sentinel of group.sentinels) sentinel.configure(...group.#watched(sentinel));
    await Promise.all(group.sentinels.map((sentinel) => sentinel.start()));
    await Promise.all(
      group.sentinels.map((sentinel) => sentinel.call('SENTINEL', 'DEBUG', ...PERIODS).catch(() => {})),
    );
    await group.isWell();
    return group;
  }

  /** Options of a bus for the primary. */
  get options() {
    return { sentinels: this.sentinels.map(({ port }) => ({ host: '127.0.0.1', port })), name: this.name };
  }

  /** The server that the sentinels have for the primary. */
  async primary() {
    const [sentinel] = this.sentinels.filter(({ isRunning }) => isRunning);
    const [, port] = await sentinel.call('SENTINEL', 'get-master-addr-by-name', this.name);
    return this.servers.find((server) => server.port === Number(port));
  }

  /** The other one. */
  async replica() {
    const primary = await this.primary();
    return this.servers.find((server) => server !== primary);
  }

  /** Waits until a failover is possible: every sentinel sees the replica follow the primary. */
  async isWell() {
    for (const sentinel of this.sentinels) {
      await until(
        async () => {
          const [replica] = await sentinel.call('SENTINEL', 'replicas', this.name);
          const at = (name) => replica?.[replica.indexOf(name) + 1];
          return at('flags') === 'slave' && at('master-link-status') === 'ok';
        },
        { timeout: FOLLOWED_WITHIN, what: 'the replica to follow' },
      );
    }
  }

  /** Waits until the replica has everything that was written so far. */
  async hasEverything() {
    const primary = await this.primary();
    // WAIT is about what was written over the same connection, so something has to be.
    await primary.call('SET', 'written', 'last');
    await until(async () => (await primary.call('WAIT', 1, 1000)) === 1, { what: 'the replica to have everything' });
  }

  /** Has the other server become the primary. @returns the one that was it */
  async failover() {
    const before = await this.primary();
    await until(
      () =>
        this.sentinels[0].call('SENTINEL', 'FAILOVER', this.name).then(
          () => true,
          () => false,
        ),
      { what: 'a failover to begin' },
    );
    await until(async () => (await this.primary()) !== before, { timeout: 15000, what: 'a failover' });
    return before;
  }

  kill() {
    for (const server of [...this.sentinels, ...this.servers]) server.kill();
  }

  #watched(sentinel) {
    const [primary, replica] = this.servers;
    const others = this.sentinels.filter((other) => other !== sentinel);
    return [
      `sentinel monitor ${this.name} 127.0.0.1 ${primary.port} 2`,
      `sentinel down-after-milliseconds ${this.name} ${DOWN_AFTER[this.sentinels.indexOf(sentinel)]}`,
      `sentinel failover-timeout ${this.name} 3000`,
      // They would find each other, but not for some seconds.
      ...others.map(({ port, id }) => `sentinel known-sentinel ${this.name} 127.0.0.1 ${port} ${id}`),
      `sentinel known-replica ${this.name} 127.0.0.1 ${replica.port}`,
    ];
  }
}

module.exports = { Sentinel, SentinelGroup, FOLLOWED_WITHIN };
