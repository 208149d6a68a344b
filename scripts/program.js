'use strict';

const { spawnSync } = require('node:child_process');

/** Returns true if a program can be started. */
function exists(file, args = ['--version']) {
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0;
}

module.exports = { exists };
