'use strict';

const { ConnectionManager } = require('../facade/api/connection-manager.js');
const { infoOf } = require('../inspection/server-info.js');
const { endpointsOf } = require('./endpoint.js');
const { UsageError } = require('./usage-error.js');

/** Short time limits: a person waits for the reply. */
const SHORT_LIMITS = { connectTimeout: 5000, commandTimeout: 15000, maxRetriesPerRequest: 0 };

/**
 * Servers of a bus, each with a connection of its own. The servers of a Cluster are its primaries.
 * @typedef {object} Server
 * @property {string} name host and port, or path
 * @property {import('../facade/redis/redis-client.js').RedisClient} client
 * @property {Map<string, string>} info fields of the reply to INFO
 */
class Servers {
  /** Endpoints of the command line. */
  #endpoints;
  #prefix;
  /** Connection options of each primary of a Cluster. */
  #primaries = [];
  #managers = [];
  /** @type {Server[]} */
  all = [];
  isCluster = false;
  /** @type {Array<{ name: string, reason: string }>} servers that do not answer, if `allowPartial` */
  unreachable = [];
  #allowPartial;

  /**
   * Connects to the servers, runs `act`, and closes the connections.
   * @param {object} values options of the command line, see `arguments.js`
   * @param {(servers: Servers) => Promise<number>} act
   * @param {boolean} [options.allowPartial] true if some of several servers can be unreachable
   */
  static async use(values, help, act, { allowPartial = false } = {}) {
    const endpoints = orUsageError(help, () => endpointsOf(values));
    const servers = new Servers(endpoints, values.prefix ?? endpoints[0].keyPrefix, allowPartial);
    try {
      await servers.#open(help);
      return await act(servers);
    } catch (error) {
      throw servers.#explained(error);
    } finally {
      await servers.#close();
    }
  }

  constructor(endpoints, prefix, allowPartial) {
    this.#endpoints = endpoints;
    this.#prefix = prefix;
    this.#allowPartial = allowPartial;
  }

  get prefix() {
    return this.#prefix;
  }

  /** Returns a ConnectionManager of the bus, for the public classes. */
  bus() {
    const each = this.#endpoints.map(({ options }) => ({ ...SHORT_LIMITS, ...options }));
    const more = { keyPrefix: this.#prefix };
    if (this.isCluster) return this.#keep(this.#cluster(more));
    if (each.length > 1) return this.#keep(ConnectionManager.nodes({ nodes: each, ...more }));
    return this.#keep(ConnectionManager.standalone({ ...each[0], ...more }));
  }

  #cluster(more) {
    const redisOptions = { ...SHORT_LIMITS, ...this.#endpoints[0].credentials };
    return ConnectionManager.cluster(this.#primaries, { ...more, redisOptions });
  }

  async #close() {
    await Promise.all(this.#managers.splice(0).map((manager) => manager.stop({ force: true })));
  }

  async #open(help) {
    this.all = await this.#describeAll(this.#endpoints, help);
    this.isCluster = this.all[0].info.get('cluster_enabled') === '1';
    if (!this.isCluster) return;
    if (this.#endpoints.length > 1) throw new UsageError('a Cluster takes one --url', help);
    this.#primaries = await primaries(this.all[0].client, this.#endpoints[0]);
    const found = this.#primaries.map((options) => ({ name: nameOf(options), options }));
    if (found.length > 0) this.all = await this.#describeAll(found, help);
  }

  async #describeAll(endpoints, help) {
    const managers = endpoints.map(({ options }) => this.#connect(options, help));
    const names = endpoints.map(({ name }) => name);
    const settled = await Promise.allSettled(managers.map((manager, index) => this.#describe(manager, names[index])));
    const failed = settled.flatMap(({ reason }, index) => (reason ? [{ name: names[index], error: reason }] : []));
    if (failed.length > 0 && (failed.length === endpoints.length || !this.#allowPartial)) throw failed[0].error;
    this.unreachable = failed.map(({ name, error }) => ({ name, reason: this.#reasonOf(error) }));
    return settled.flatMap(({ value }) => value ?? []);
  }

  /** Turns an invalid option into a UsageError. */
  #connect(options, help) {
    const all = { ...SHORT_LIMITS, ...options, keyPrefix: this.#prefix };
    return orUsageError(help, () => this.#keep(ConnectionManager.standalone(all)));
  }

  /** @returns {Promise<Server>} */
  async #describe(manager, name) {
    const client = manager.getClient('cli');
    return { name, client, info: await infoOf(client) };
  }

  /** Returns an error with the server and the reason in its message. */
  #explained(error) {
    return error.node === undefined ? error : new Error(`${error.node}: ${this.#reasonOf(error)}`);
  }

  #reasonOf(error) {
    const reason = error.code === 'MAX_RETRIES' ? error.cause : undefined;
    return (reason ?? error).message;
  }

  #keep(manager) {
    this.#managers.push(manager);
    return manager;
  }
}

/** Resolves with connection options of each primary, with the credentials of the node that is asked. */
async function primaries(client, endpoint) {
  const slots = await client.call('cluster', 'slots');
  const found = slots.map(([, , [host, port]]) => endpoint.optionsAt(host, port));
  return [...new Map(found.map((options) => [nameOf(options), options])).values()];
}

function nameOf({ host, port }) {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Turns an error of `read` into a UsageError with the help text. */
function orUsageError(help, read) {
  try {
    return read();
  } catch (error) {
    throw new UsageError(error.message, help);
  }
}

module.exports = { Servers };
