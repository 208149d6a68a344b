'use strict';

const { succeed } = require('./command.js');
const { HELP, findPostgres } = require('./postgres-program.js');
const { exists } = require('./program.js');
const { say, step } = require('./say.js');

/** Installs the server and not the service that comes with it, unless services are never started here anyway. */
const APT = `
  apt-get update -qq || true
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >$policy && chmod +x $policy
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql
`;

/** Ways to install a server, in the order in which they are tried. */
const WAYS = [
  { name: 'apt-get', command: ['sh', '-c', APT], if: () => exists('apt-get') && process.getuid?.() === 0 },
  {
    name: 'sudo apt-get',
    command: ['sudo', '-n', 'sh', '-c', APT],
    if: () => exists('apt-get') && exists('sudo', ['-n', 'true']),
  },
];

/** Returns the folder of the server's programs, and installs them first if there are none. */
async function providePostgres() {
  const found = findPostgres();
  if (found) {
    say(`PostgreSQL: ${found} is there`);
    return found;
  }
  const way = WAYS.find((one) => one.if());
  if (!way) throw new Error(HELP);
  const [file, ...args] = way.command;
  await step(`PostgreSQL: installing with ${way.name}`, () => succeed(file, args, { show: false })).catch((error) => {
    throw new Error(`${error.message}\n\n${HELP}`);
  });
  const installed = findPostgres();
  if (!installed) throw new Error(HELP);
  return installed;
}

module.exports = { providePostgres };
