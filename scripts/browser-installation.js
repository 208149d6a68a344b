'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { succeed } = require('./command.js');
const { exists } = require('./program.js');
const { say, step } = require('./say.js');

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'chrome'];
const HELP = `There is no Chromium. Any of these helps:
  - put chromium or google-chrome on PATH, or its path into CHROMIUM
  - run this as root or with passwordless sudo where there is apt-get: then it is installed`;

const APT = `
  apt-get update -qq || true
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
`;

/** Ways to install a browser, in the order in which they are tried. */
const WAYS = [
  { name: 'apt-get', command: ['sh', '-c', APT], if: () => exists('apt-get') && process.getuid?.() === 0 },
  {
    name: 'sudo apt-get',
    command: ['sudo', '-n', 'sh', '-c', APT],
    if: () => exists('apt-get') && exists('sudo', ['-n', 'true']),
  },
];

/** Returns the path of the browser: CHROMIUM, or the first on PATH; `undefined` without any. */
function findBrowser() {
  const chosen = process.env.CHROMIUM;
  if (chosen && !exists(chosen)) throw new Error(`CHROMIUM is ${chosen}, which cannot be started`);
  return chosen || NAMES.map(onPath).find(Boolean);
}

function onPath(name) {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.map((folder) => path.join(folder, name)).find((file) => fs.existsSync(file));
}

/** Returns the path of the browser, and installs it first if there is none. */
async function provideBrowser() {
  const found = findBrowser();
  if (found) return found;
  const way = WAYS.find((one) => one.if());
  if (!way) throw new Error(HELP);
  const [file, ...args] = way.command;
  await step(`Chromium: installing with ${way.name}`, () => succeed(file, args, { show: false })).catch((error) => {
    throw new Error(`${error.message}\n\n${HELP}`);
  });
  const installed = findBrowser();
  if (!installed) throw new Error(HELP);
  say(`Chromium: ${installed}`);
  return installed;
}

module.exports = { provideBrowser };
