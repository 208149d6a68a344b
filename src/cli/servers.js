'use strict';

const { ConnectionManager } = require('../facade/api/connection-manager.js');
const { placesOf } = require('./place.js');
const { UsageError } = require('./usage-error.js');

/** Who asks by hand wants to know soon that nobody answers. */
const IMPATIENT = { connectTimeout: 5000, commandTimeout: 15000, maxRetriesPerRequest: 0 };

/**
 * The servers that a bus is on, each with a connection of its own; of a Cluster the primaries.
 * @typedef {object} Server
 * @property {string} name where it is
 * @property {import('../facade/redis/redis-client.js').RedisClient} client
 * @property {Map<string, string>} info what INFO says
 */
class Servers {
  /** As they were named. */
  #places;
  #prefix;
  /** How to reach each primary of a Cluster. */
  #primaries = [];
  #managers = [];
  /** @type {Server[]} */
  all = [];
  isCluster = false;
  /** @type {Array<{ name: string, reason: string }>} those that do not answer, where that is for `act` to tell */
  away = [];
  #mayLack;

  /**
   * Opens them, and closes them when something is done.
   * @param {object} values what was given, see `arguments.js`
   * @param {(servers: Servers) => Promise<number>} act
   * @param {boolean} [options.mayLack] whether some of several may be away
   */
  static async use(values, help, act, { mayLack = false } = {}) {
    const places = understood(help, () => placesOf(values));
    const servers = new Servers(places, values.prefix ?? places[0].keyPrefix, mayLack);
    try {
      await servers.#open(help);
      return await act(servers);
    } catch (error) {
      throw servers.#explained(error);
    } finally {
      await servers.#close();
    }
  }

  constructor(places, prefix, mayLack) {
    this.#places = places;
    this.#prefix = prefix;
    this.#mayLack = mayLack;
  }

  get prefix() {
    return this.#prefix;
  }

  /** The bus itself, for what its public classes do. */
  bus() {
    const each = this.#places.map(({ options }) => ({ ...IMPATIENT, ...options }));
    const more = { keyPrefix: this.#prefix };
    if (this.isCluster) return this.#keep(this.#cluster(more));
    if (each.length > 1) return this.#keep(ConnectionManager.nodes({ nodes: each, ...more }));
    return this.#keep(ConnectionManager.standalone({ ...each[0], ...more }));
  }

  #cluster(more) {
    const redisOptions = { ...IMPATIENT, ...this.#places[0].credentials };
    return ConnectionManager.cluster(this.#primaries, { ...more, redisOptions });
  }

  async #close() {
    await Promise.all(this.#managers.splice(0).map((manager) => manager.stop({ force: true })));
  }

  async #open(help) {
    this.all = await this.#describeAll(this.#places, help);
    this.isCluster = this.all[0].info.get('cluster_enabled') === '1';
    if (!this.isCluster) return;
    if (this.#places.length > 1) throw new UsageError('of a Cluster one --url is enough', help);
    this.#primaries = await primaries(this.all[0].client, this.#places[0]);
    const found = this.#primaries.map((options) => ({ name: nameOf(options), options }));
    if (found.length > 0) this.all = await this.#describeAll(found, help);
  }

  async #describeAll(places, help) {
    const managers = places.map(({ options }) => this.#connect(options, help));
    const names = places.map(({ name }) => name);
    const settled = await Promise.allSettled(managers.map((manager, index) => this.#describe(manager, names[index])));
    const away = settled.flatMap(({ reason }, index) => (reason ? [{ name: names[index], error: reason }] : []));
    if (away.length > 0 && (away.length === places.length || !this.#mayLack)) throw away[0].error;
    this.away = away.map(({ name, error }) => ({ name, reason: this.#reasonOf(error) }));
    return settled.flatMap(({ value }) => value ?? []);
  }

  /** What an option has wrong is a wrong use. */
  #connect(options, help) {
    const all = { ...IMPATIENT, ...options, keyPrefix: this.#prefix };
    return understood(help, () => this.#keep(ConnectionManager.standalone(all)));
  }

  /** @returns {Promise<Server>} */
  async #describe(manager, name) {
    const client = manager.getClient('cli');
    return { name, client, info: await infoOf(client) };
  }

  /** Which server it was, and why. */
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

/** Options of each primary of a Cluster, with all that was said of the node that is asked besides where that is. */
async function primaries(client, place) {
  const slots = await client.call('cluster', 'slots');
  const found = slots.map(([, , [host, port]]) => place.optionsAt(host, port));
  return [...new Map(found.map((options) => [nameOf(options), options])).values()];
}

function nameOf({ host, port }) {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** What cannot be understood is a wrong use, and says so with the help. */
function understood(help, read) {
  try {
    return read();
  } catch (error) {
    throw new UsageError(error.message, help);
  }
}

module.exports = { Servers, fieldsOf };
