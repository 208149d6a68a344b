'use strict';

const { pin } = require('./cores.js');
const { Role } = require('./role.js');
const { connectionsOf, cpuOf } = require('./servers.js');

/** What one run of a scenario works with: one subject, empty servers, and roles that end with the run. */
class Stage {
  #subject;
  #cores;
  #topology;
  #roles = [];

  /** @param {{ topology?: string, cores?: number }} given which servers, and how many cores everything shares */
  static async set(subject, servers, { topology, cores }) {
    const provided = await servers.provide({ server: subject.server, topology, cores });
    return new Stage(subject, provided, { topology, cores });
  }

  constructor(subject, servers, { topology, cores }) {
    this.#subject = subject;
    this.servers = servers;
    this.#topology = topology;
    this.#cores = cores;
  }

  /** How many jobs of a backlog are enough for the subject. */
  backlog(jobs) {
    return Math.ceil(jobs * this.#subject.pace);
  }

  /** A role that is ready. */
  async role(name, options = {}) {
    const ports = this.servers.map(({ port }) => port);
    const role = await Role.start(name, this.#subject, { ports, topology: this.#topology, ...options });
    pin([role.pid], this.#cores);
    this.#roles.push(role);
    return role;
  }

  /**
   * What some roles and the servers use while something is done.
   * @param {() => Promise<object>} act gives the number of `jobs`, and what else is to be known
   */
  async measure(roles, act) {
    const before = await cpuOf(this.servers);
    await Promise.all(roles.map((role) => role.call('begin')));
    const start = performance.now();
    const { jobs, ...rest } = await act();
    const seconds = (performance.now() - start) / 1000;
    const used = await Promise.all(roles.map((role) => role.call('used')));
    const server = (await cpuOf(this.servers)) - before;
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

  /** How many connections the roles have. */
  connections() {
    return connectionsOf(this.servers);
  }

  clear() {
    for (const role of this.#roles) role.end();
  }
}

module.exports = { Stage };
