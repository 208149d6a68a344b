'use strict';

const { RedisServer } = require('./redis-server.js');
const { until } = require('./wait-until.js');

const SLOTS = 16384;

/** Maximum time until the nodes of a Cluster agree, in ms. */
const PATIENCE = { timeout: 20000 };

/** Replicas take over soon after their primary is gone, and are reported as soon as they have been pinged. */
const SETTINGS = [
  ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'],
  ...['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'],
];

/**
 * A private Cluster: so many primaries, each with a replica if asked for. It takes two seconds to start, which is how
 * long a primary of Redis waits before it takes writes.
 */
class RedisCluster {
  /** The nodes by what they are called in the Cluster. */
  #ids = new Map();

  /**
   * @param {{ primaries?: number, replicas?: boolean, settings?: (port: number) => string[], kind?: typeof RedisServer }}
   * options
   */
  static async start({ primaries = 3, replicas = false, settings = () => [], kind = RedisServer } = {}) {
    const count = replicas ? primaries * 2 : primaries;
    const begin = async () => {
      const node = await kind.start(...SETTINGS);
      const words = settings(node.port);
      for (let at = 0; at < words.length; at += 2) await node.call('CONFIG', 'SET', words[at], words[at + 1]);
      return node;
    };
    const nodes = await Promise.all(Array.from({ length: count }, begin));
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

  /** Startup nodes of a bus for this Cluster. */
  get startupNodes() {
    return this.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** Port of a node that receives every message published in the Cluster. */
  get port() {
    return this.#alive.port;
  }

  kill() {
    for (const node of this.nodes) node.kill();
  }

  /** Sends a command with a key or a channel as its second word to the node of that key. */
  async call(command, key, ...words) {
    const node = await this.home(key);
    return node.call(command, key, ...words);
  }

  /** The slot of a key. */
  slot(key) {
    return this.#alive.call('CLUSTER', 'KEYSLOT', key);
  }

  /** The primary that has a key now. */
  async home(key) {
    return this.#owner(this.#alive, await this.slot(key));
  }

  /** Returns a number of names with keys on all nodes in turn, each in another slot. */
  async spread(count, prefix, toKey) {
    const [names, slots] = [[], new Set()];
    for (let n = 0; names.length < count; n++) {
      const key = toKey(`${prefix}-${n}`);
      const slot = await this.slot(key);
      const home = this.primaries.indexOf(await this.#owner(this.#alive, slot));
      if (slots.has(slot) || home !== names.length % this.primaries.length) continue;
      slots.add(slot);
      names.push(`${prefix}-${n}`);
    }
    return names;
  }

  /** Begins to move a slot to another primary. @returns what moves keys, and what ends it */
  async beginMove(slot, to) {
    const from = await this.#owner(to, slot);
    const target = await to.call('CLUSTER', 'MYID');
    await to.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await from.call('CLUSTER', 'MYID'));
    await from.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target);
    const keys = (...words) => from.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5000, 'KEYS', ...words);
    const all = async () => {
      for (;;) {
        const some = await from.call('CLUSTER', 'GETKEYSINSLOT', slot, 100);
        if (some.length === 0) return;
        await keys(...some);
      }
    };
    const end = async () => {
      // The new owner first, so that there is one at any time.
      for (const node of [to, from, ...this.primaries.filter((node) => node !== to && node !== from)]) {
        if (node.isRunning) await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', target);
      }
    };
    return { from, keys, all, end };
  }

  /** Moves slots, with all their keys, to another primary. */
  async move(slots, to) {
    for (const slot of slots) {
      if ((await this.#owner(to, slot)) === to) continue;
      const move = await this.beginMove(slot, to);
      await move.all();
      await move.end();
    }
  }

  /** Has a replica take over by hand; resolves once it has. */
  async failOver(replica) {
    await replica.call('CLUSTER', 'FAILOVER');
    await until(async () => (await replica.call('ROLE'))[0] === 'master', PATIENCE);
  }

  get #alive() {
    return this.nodes.find((node) => node.isRunning);
  }

  async #owner(asked, slot) {
    const ranges = await asked.call('CLUSTER', 'SLOTS');
    const [, , [, , id]] = ranges.find(([first, last]) => first <= slot && slot <= last);
    // Not by its port, which need not be the one that it announces.
    return this.#ids.get(id);
  }

  async #join() {
    const [first, ...others] = this.nodes;
    for (const node of this.nodes) this.#ids.set(await node.call('CLUSTER', 'MYID'), node);
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
    await this.settled();
  }

  /** Resolves once every node that runs knows of all the others that do, and takes commands. */
  async settled() {
    await this.#agree((info) => info.includes('cluster_state:ok'));
    const sync = async (node) => !(await node.call('INFO', 'replication')).includes('master_link_status:down');
    await Promise.all(this.#running.map((node) => until(() => sync(node), PATIENCE)));
    const count = this.#running.length;
    const isTold = async (node) => {
      const ranges = await node.call('CLUSTER', 'SLOTS');
      // What is published reaches only nodes that are connected.
      const known = await node.call('CLUSTER', 'NODES');
      const isConnected = known.split(' connected').length > count;
      return isConnected && new Set(ranges.flatMap(([, , ...nodes]) => nodes.map(([, , id]) => id))).size === count;
    };
    await Promise.all(this.#running.map((node) => until(() => isTold(node), PATIENCE)));
  }

  get #running() {
    return this.nodes.filter((node) => node.isRunning);
  }

  async #agree(condition) {
    const agrees = async (node) => condition(await node.call('CLUSTER', 'INFO'));
    await Promise.all(this.#running.map((node) => until(() => agrees(node), PATIENCE)));
  }
}

module.exports = { RedisCluster };
