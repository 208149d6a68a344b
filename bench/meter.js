'use strict';

/** Resource usage of a process since the creation of the meter. */
class Meter {
  #cpu = process.cpuUsage();
  #start = performance.now();

  /** @returns {{ seconds: number, cpu: number, rss: number }} CPU of all threads in µs, the most memory ever in MiB */
  read() {
    const seconds = (performance.now() - this.#start) / 1000;
    const { user, system } = process.cpuUsage(this.#cpu);
    return { seconds, cpu: user + system, rss: process.resourceUsage().maxRSS / 1024 };
  }
}

module.exports = { Meter };
