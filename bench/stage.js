'use strict';

const { pin } = require('./cores.js');
const { Role } = require('./role.js');
const { cpuOf } = require('./servers.js');

/** What one run of a scenario works with: one subject, empty servers, and roles that end with the run. */
class Stage {
  #subject;
  #servers;
  #cores;
  #roles = [];

  /** @param {number} [cores] how many cores everything shares; all without */
  static async set(subject, servers, { count = 1, cores } = {}) {
    return new Stage(subject, await servers.provide(count, cores), cores);
  }

  constructor(subject, servers, cores) {
    this.#subject = subject;
    this.#servers = servers;
    this.#cores = cores;
  }

  /** A role that is ready. */
  async role(name, options = {}) {
    const ports = this.#servers.map(({ port }) => port);
    const role = await Role.start(name, this.#subject, { ports, ...options });
    pin([role.pid], this.#cores);
    this.#roles.push(role);
    return role;
  }

  /**
   * What some roles and the servers use while something is done.
   * @param {() => Promise<object>} act gives the number of `jobs`, and what else is to be known
   */
  async measure(roles, act) {
    const before = await cpuOf(this.#servers);
    await Promise.all(roles.map((role) => role.call('begin')));
    const start = performance.now();
    const { jobs, ...rest } = await act();
    const seconds = (performance.now() - start) / 1000;
    const used = await Promise.all(roles.map((role) => role.call('used')));
    const server = (await cpuOf(this.#servers)) - before;
    return {
      jobs,
      seconds,
      rate: jobs / seconds,
      ...rest,
      clientCpu: used.reduce((sum, { cpu }) => sum + cpu, 0) / jobs,
      serverCpu: server / jobs,
      rss: used.reduce((sum, { rss }) => sum + rss, 0),
    };
  }

  clear() {
    for (const role of this.#roles) role.end();
  }
}

module.exports = { Stage };
