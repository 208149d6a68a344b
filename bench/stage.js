'use strict';

const { pin } = require('./cores.js');
const { Role } = require('./role.js');
const { connectionsOf, cpuOf, memoryOf } = require('./servers.js');

/** Environment of one run of a scenario: one subject, empty servers, and roles that end with the run. */
class Stage {
  #subject;
  #cores;
  #given;
  #profiler;
  #roles = [];

  /**
   * @param {object} given
   * @param {string} [given.topology] of the servers
   * @param {string} [given.appendfsync] of the servers
   * @param {number} [given.delay] of a round trip to the servers, in ms
   * @param {number} [given.cores] how many everything shares
   * @param {object} [given.profiler] what watches the roles that are measured
   */
  static async set(subject, servers, { topology, appendfsync, delay, cores, profiler }) {
    const provided = await servers.provide({ server: subject.server, topology, appendfsync, cores });
    const ports = await servers.network.between(provided, { delay, cores });
    return new Stage(subject, provided, { ports, topology, appendfsync }, { cores, profiler });
  }

  constructor(subject, servers, given, { cores, profiler }) {
    this.#subject = subject;
    this.servers = servers;
    this.#given = given;
    this.#cores = cores;
    this.#profiler = profiler;
  }

  /** Returns the number of jobs in a backlog for the subject. */
  backlog(jobs) {
    return Math.ceil(jobs * this.#subject.pace);
  }

  /** A role that is ready. */
  async role(name, options = {}) {
    const given = { ...this.#given, ...options };
    const role = await Role.start(name, this.#subject, given, this.#profiler?.flags(name));
    this.#profiler?.note(role.pid);
    pin([role.pid], this.#cores);
    this.#roles.push(role);
    return role;
  }

  /**
   * Measures the resources of some roles and the servers during an action.
   * @param {() => Promise<object>} act gives the number of `jobs`, and what else is to be known
   */
  async measure(roles, act) {
    const watched = await this.#watch(roles);
    const before = await cpuOf(this.servers);
    await Promise.all(roles.map((role) => role.call('begin')));
    const start = performance.now();
    const { jobs, ...rest } = await act();
    const seconds = (performance.now() - start) / 1000;
    const used = await Promise.all(roles.map((role) => role.call('used')));
    const server = (await cpuOf(this.servers)) - before;
    await Promise.all(watched.map((end) => end()));
    return {
      jobs,
      seconds,
      rate: jobs / seconds,
      ...rest,
      clientCpu: used.reduce((sum, { cpu }) => sum + cpu, 0) / jobs,
      serverCpu: Number.isNaN(server) ? undefined : server / jobs,
      rss: used.reduce((sum, { rss }) => sum + rss, 0),
    };
  }

  /** Returns the number of connections of the roles. */
  connections() {
    return connectionsOf(this.servers);
  }

  /** Returns the memory of the servers, in bytes; nothing is known of NATS. */
  async memory() {
    return this.#subject.server === 'redis' ? memoryOf(this.servers) : Number.NaN;
  }

  async clear() {
    if (this.#profiler) await Promise.all(this.#roles.map((role) => role.finish()));
    for (const role of this.#roles) role.end();
  }

  #watch(roles) {
    if (!this.#profiler) return [];
    return Promise.all(roles.map((role) => this.#profiler.watch(role.name, role.pid)));
  }
}

module.exports = { Stage };
