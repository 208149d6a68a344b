'use strict';

const { succeed } = require('./command.js');
const { exists } = require('./program.js');
const { say, step } = require('./say.js');

/** Commands that install a package of Debian, and not the service that comes with it, unless services are never started here anyway. */
const apt = (name) => `
  apt-get update -qq || true
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >$policy && chmod +x $policy
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${name}
`;

/** Ways to install a package, in the order in which they are tried. */
const WAYS = [
  {
    name: 'apt-get',
    command: ({ debian }) => ['sh', '-c', apt(debian)],
    if: () => exists('apt-get') && process.getuid?.() === 0,
  },
  {
    name: 'sudo apt-get',
    command: ({ debian }) => ['sudo', '-n', 'sh', '-c', apt(debian)],
    if: () => exists('apt-get') && exists('sudo', ['-n', 'true']),
  },
  {
    name: 'Homebrew',
    command: ({ brew }) => ['brew', 'install', brew],
    if: ({ brew }) => brew !== undefined && exists('brew'),
  },
];

/**
 * Resolves with the path of a program, and installs its package first if there is none.
 *
 * @param {object} one
 * @param {string} one.title name of the program for people
 * @param {() => string | undefined} one.find returns the path
 * @param {string} one.help text of the error if no way is left
 * @param {string} one.debian name of the package in Debian
 * @param {string} [one.brew] name of the package in Homebrew
 */
async function provide(one) {
  const found = one.find();
  if (found) {
    say(`${one.title}: ${found} is there`);
    return found;
  }
  const way = WAYS.find((other) => other.if(one));
  if (!way) throw new Error(one.help);
  const [file, ...args] = way.command(one);
  const install = () => succeed(file, args, { show: false });
  await step(`${one.title}: installing with ${way.name}`, install).catch((error) => {
    throw new Error(`${error.message}\n\n${one.help}`);
  });
  const installed = one.find();
  if (!installed) throw new Error(one.help);
  return installed;
}

module.exports = { provide };
