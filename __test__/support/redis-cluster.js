'use strict';

const { RedisServer } = require('./redis-server.js');
const { until } = require('./until.js');

const SLOTS = 16384;

/** Replicas take over soon after their primary is gone. */
const SETTINGS = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0'];

/** A private Cluster: so many primaries, each with a replica, unless said otherwise. */
class RedisCluster {
  static async start({ primaries = 3, replicas = true } = {}) {
    const count = replicas ? primaries * 2 : primaries;
    const nodes = await Promise.all(Array.from({ length: count }, () => RedisServer.start(...SETTINGS)));
    const cluster = new RedisCluster(nodes, primaries);
    await cluster.#join();
    return cluster;
  }

  /** @param {RedisServer[]} nodes primaries first, then the replica of each in the same order */
  constructor(nodes, primaries) {
    this.nodes = nodes;
    this.primaries = nodes.slice(0, primaries);
    this.replicas = nodes.slice(primaries);
  }

  /** What a bus needs to find it. */
  get startupNodes() {
    return this.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  kill() {
    for (const node of this.nodes) node.kill();
  }

  /** Sends a command about a key to whichever node has it. */
  async call(key, ...words) {
    const node = await this.home(key);
    return node.call(...words);
  }

  /** The slot of a key. */
  slot(key) {
    return this.#alive.call('CLUSTER', 'KEYSLOT', key);
  }

  /** The node that has a key now. */
  async home(key) {
    const slot = await this.slot(key);
    const ranges = await this.#alive.call('CLUSTER', 'SLOTS');
    const [, , [, port]] = ranges.find(([first, last]) => first <= slot && slot <= last);
    return this.nodes.find((node) => node.port === port);
  }

  /** Moves slots, with all their keys, to another primary. */
  async move(slots, to) {
    const target = await to.call('CLUSTER', 'MYID');
    for (const slot of slots) {
      const ranges = await to.call('CLUSTER', 'SLOTS');
      const [, , [, port]] = ranges.find(([first, last]) => first <= slot && slot <= last);
      const from = this.nodes.find((node) => node.port === port);
      if (from === to) continue;
      await to.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await from.call('CLUSTER', 'MYID'));
      await from.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target);
      for (;;) {
        const keys = await from.call('CLUSTER', 'GETKEYSINSLOT', slot, 100);
        if (keys.length === 0) break;
        await from.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5000, 'KEYS', ...keys);
      }
      await Promise.all(this.primaries.map((node) => node.call('CLUSTER', 'SETSLOT', slot, 'NODE', target)));
    }
  }

  get #alive() {
    return this.nodes.find((node) => node.isRunning);
  }

  async #join() {
    const [first, ...others] = this.nodes;
    await Promise.all(
      this.primaries.map(async (node, index) => {
        const start = Math.floor((SLOTS * index) / this.primaries.length);
        const end = Math.floor((SLOTS * (index + 1)) / this.primaries.length);
        // Redis 6.2 knows no ranges here.
        const slots = Array.from({ length: end - start }, (_, slot) => start + slot);
        await node.call('CLUSTER', 'ADDSLOTS', ...slots);
        await node.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
      }),
    );
    await Promise.all(others.map((node) => node.call('CLUSTER', 'MEET', '127.0.0.1', first.port)));
    await this.#agree((info) => info.includes(`cluster_known_nodes:${this.nodes.length}`));
    for (const [index, replica] of this.replicas.entries()) {
      const id = await this.primaries[index].call('CLUSTER', 'MYID');
      await until(() => replica.call('CLUSTER', 'REPLICATE', id).catch(() => false));
    }
    await this.#agree((info) => info.includes('cluster_state:ok'));
    const sync = async (replica) => (await replica.call('INFO', 'replication')).includes('master_link_status:up');
    await Promise.all(this.replicas.map((replica) => until(() => sync(replica), { timeout: 20000 })));
    const isTold = async (node) => {
      const ranges = await node.call('CLUSTER', 'SLOTS');
      const isWhole = ranges.every((range) => range.length === 2 + this.nodes.length / this.primaries.length);
      // What is published reaches only nodes that are connected.
      const known = await node.call('CLUSTER', 'NODES');
      return isWhole && known.split(' connected').length - 1 === this.nodes.length;
    };
    await Promise.all(this.nodes.map((node) => until(() => isTold(node), { timeout: 20000 })));
  }

  async #agree(condition) {
    const agrees = async (node) => condition(await node.call('CLUSTER', 'INFO'));
    await Promise.all(this.nodes.map((node) => until(() => agrees(node), { timeout: 20000 })));
  }
}

module.exports = { RedisCluster };
