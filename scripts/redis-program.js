'use strict';

const { exists, succeed } = require('./command.js');
const { say, step } = require('./say.js');

const NAMES = ['redis-server', 'valkey-server'];

const HELP = `There is no Redis. Any of these helps:
  - put redis-server or valkey-server on PATH, or its path into REDIS_SERVER
  - run this as root or with passwordless sudo where there is apt-get, or where there is Homebrew: then it is installed`;

/** Installs the server and not the service that comes with it, unless services are never started here anyway. */
const APT = `
  apt-get update -qq || true
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >$policy && chmod +x $policy
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server
`;

/** Ways to install a server, in the order in which they are tried. */
const WAYS = [
  { name: 'apt-get', command: ['sh', '-c', APT], if: () => exists('apt-get') && process.getuid?.() === 0 },
  {
    name: 'sudo apt-get',
    command: ['sudo', '-n', 'sh', '-c', APT],
    if: () => exists('apt-get') && exists('sudo', ['-n', 'true']),
  },
  { name: 'Homebrew', command: ['brew', 'install', 'redis'], if: () => exists('brew') },
];

/** The server program that is there: REDIS_SERVER, or the first on PATH. */
function findProgram() {
  const chosen = process.env.REDIS_SERVER;
  if (chosen && !exists(chosen)) throw new Error(`REDIS_SERVER is ${chosen}, which cannot be started`);
  return chosen || NAMES.find((name) => exists(name));
}

/** The server program that is there, or else installed. */
async function provideProgram() {
  const found = findProgram();
  if (found) {
    say(`Redis: ${found} is there`);
    return found;
  }
  const way = WAYS.find((one) => one.if());
  if (!way) throw new Error(HELP);
  const [file, ...args] = way.command;
  await step(`Redis: installing with ${way.name}`, () => succeed(file, args, { show: false })).catch((error) => {
    throw new Error(`${error.message}\n\n${HELP}`);
  });
  const installed = findProgram();
  if (!installed) throw new Error(HELP);
  return installed;
}

module.exports = { HELP, findProgram, provideProgram };
