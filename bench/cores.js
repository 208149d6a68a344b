'use strict';

const { spawnSync } = require('node:child_process');
const os = require('node:os');

/** All cores of this machine. */
const ALL = os.cpus().map((_, index) => index);

/** Returns true if processes can be bound to cores here. */
const canPin = spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0;

/** Keeps processes, with all their threads, on so many cores; on all of them without a number. */
function pin(pids, cores = ALL.length) {
  if (!canPin) return;
  for (const pid of pids) {
    spawnSync('taskset', ['-apc', ALL.slice(0, cores).join(','), String(pid)], { stdio: 'ignore' });
  }
}

module.exports = { canPin, pin };
