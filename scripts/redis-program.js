'use strict';

const { exists } = require('./program.js');

const NAMES = ['redis-server', 'valkey-server'];

const HELP = `There is no Redis. Any of these helps:
  - put redis-server or valkey-server on PATH, or its path into REDIS_SERVER
  - run this as root or with passwordless sudo where there is apt-get, or where there is Homebrew: then it is installed`;

/** Returns the program of the server: REDIS_SERVER, or the first on PATH; `undefined` without any. */
function findProgram() {
  const chosen = process.env.REDIS_SERVER;
  if (chosen && !exists(chosen)) throw new Error(`REDIS_SERVER is ${chosen}, which cannot be started`);
  return chosen || NAMES.find((name) => exists(name));
}

module.exports = { HELP, findProgram };
