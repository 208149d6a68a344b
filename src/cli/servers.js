'use strict';

const { ConnectionManager } = require('../facade/connection-manager.js');
const { UsageError } = require('./usage-error.js');

/** Who asks by hand wants to know soon that nobody answers. */
const IMPATIENT = { connectTimeout: 5000, commandTimeout: 15000, maxRetriesPerRequest: 0 };

/**
 * The servers that a bus is on, each with a connection of its own; of a Cluster the primaries.
 * @typedef {object} Server
 * @property {string} name where it is
 * @property {import('../facade/redis-client.js').RedisClient} client
 * @property {Map<string, string>} info what INFO says
 */
class Servers {
  #urls;
  #prefix;
  #managers = [];
  /** Why there is no connection, by server: what waits for it hears only that it was given up. */
  #reasons = new Map();
  /** @type {Server[]} */
  all = [];
  isCluster = false;

  /**
   * Opens them, and closes them when something is done.
   * @param {{ url: string[], prefix: string }} values what was given, see `arguments.js`
   * @param {(servers: Servers) => Promise<number>} act
   */
  static async use({ url, prefix }, help, act) {
    const servers = new Servers(url, prefix);
    try {
      await servers.#open(help);
      return await act(servers);
    } catch (error) {
      throw servers.#explained(error);
    } finally {
      await servers.#close();
    }
  }

  constructor(urls, prefix) {
    this.#urls = urls;
    this.#prefix = prefix;
  }

  get prefix() {
    return this.#prefix;
  }

  /** The bus itself, for what its public classes do. */
  bus() {
    const each = this.#urls.map((url) => ({ ...IMPATIENT, url }));
    const more = { keyPrefix: this.#prefix };
    if (this.isCluster) return this.#keep(clusterOf(this.#urls[0], more));
    if (each.length > 1) return this.#keep(ConnectionManager.nodes({ nodes: each, ...more }));
    return this.#keep(ConnectionManager.standalone({ ...each[0], ...more }));
  }

  async #close() {
    await Promise.all(this.#managers.splice(0).map((manager) => manager.stop({ force: true })));
  }

  async #open(help) {
    const managers = this.#urls.map((url) => this.#connect(url, help));
    this.all = await Promise.all(managers.map((manager, index) => this.#describe(manager, nameOf(this.#urls[index]))));
    this.isCluster = this.all[0].info.get('cluster_enabled') === '1';
    if (!this.isCluster) return;
    if (this.#urls.length > 1) throw new UsageError('of a Cluster one --url is enough', help);
    const found = await primaries(this.all[0].client, this.#urls[0]);
    const opened = found.map((url) => this.#describe(this.#connect(url, help), nameOf(url)));
    if (opened.length > 0) this.all = await Promise.all(opened);
  }

  /** What a URL has wrong is a wrong use, said without the URL. */
  #connect(url, help) {
    try {
      return this.#keep(ConnectionManager.standalone({ ...IMPATIENT, url, keyPrefix: this.#prefix }));
    } catch (error) {
      throw new UsageError(error.message, help);
    }
  }

  /** @returns {Promise<Server>} */
  async #describe(manager, name) {
    const client = manager.getClient('cli');
    client.on('error', (error) => this.#reasons.set(error.node ?? name, error));
    return { name, client, info: await infoOf(client) };
  }

  /** Which server it was, and why. */
  #explained(error) {
    if (error.node === undefined) return error;
    const reason = error.code === 'MAX_RETRIES' ? this.#reasons.get(error.node) : undefined;
    return new Error(`${error.node}: ${(reason ?? error).message}`);
  }

  #keep(manager) {
    this.#managers.push(manager);
    return manager;
  }
}

/** What INFO says; nothing to who may not ask. */
async function infoOf(client) {
  try {
    return fieldsOf(await client.call('info'));
  } catch (error) {
    if (error.code === 'NOPERM') return new Map();
    throw error;
  }
}

/** The lines of INFO and its like. */
function fieldsOf(text) {
  const pairs = text.split('\r\n').map((line) => line.split(/:(.*)/s, 2));
  return new Map(pairs.filter(([, value]) => value !== undefined));
}

/** The URLs of a Cluster's primaries, with all that the URL of one of its nodes says besides where that is. */
async function primaries(client, url) {
  const slots = await client.call('cluster', 'slots');
  const found = slots.map(([, , [host, port]]) => {
    const other = new URL(url);
    // An empty name is the host that was asked.
    if (host) other.hostname = host.includes(':') ? `[${host}]` : host;
    other.port = port;
    return other.href;
  });
  return [...new Set(found)];
}

function clusterOf(url, more) {
  const { hostname, port, username, password, protocol } = new URL(url);
  const redisOptions = {
    ...IMPATIENT,
    username: decodeURIComponent(username) || undefined,
    password: decodeURIComponent(password) || undefined,
    tls: protocol === 'rediss:' ? true : undefined,
  };
  return ConnectionManager.cluster([{ host: hostname, port: port || 6379 }], { ...more, redisOptions });
}

/** Where a URL leads, without the password that it may hold. */
function nameOf(url) {
  try {
    const { protocol, hostname, port, pathname } = new URL(url);
    return protocol === 'unix:' ? pathname : `${hostname || 'localhost'}:${port || 6379}`;
  } catch {
    return 'redis';
  }
}

module.exports = { Servers, fieldsOf };
