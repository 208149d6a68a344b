'use strict';

const { spawnSync } = require('node:child_process');
const os = require('node:os');

/** All cores of this machine. */
const ALL = os.cpus().map((_, index) => index);

/** Returns true if processes can be bound to cores here. */
const canPin = spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0;

/** Keeps processes, with all their threads, on so many cores; on all of them without a number. */
function pin(pids, cores = ALL.length) {
  bind(pids, ALL.slice(0, cores));
}

/** Keeps processes off the cores of `pin()`, if the machine has others. */
function pinBeside(pids, cores = ALL.length) {
  if (cores < ALL.length) bind(pids, ALL.slice(cores));
}

function bind(pids, cores) {
  if (!canPin) return;
  for (const pid of pids) spawnSync('taskset', ['-apc', cores.join(','), String(pid)], { stdio: 'ignore' });
}

module.exports = { canPin, pin, pinBeside };
