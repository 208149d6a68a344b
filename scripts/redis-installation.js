'use strict';

const { succeed } = require('./command.js');
const { exists } = require('./program.js');
const { HELP, findProgram } = require('./redis-program.js');
const { say, step } = require('./say.js');

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

/** Returns the program of the server, and installs it first if there is none. */
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

module.exports = { provideProgram };
