'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { exists } = require('./program.js');
const { provide } = require('./system-package.js');

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'chrome'];
const HELP = `There is no Chromium. Any of these helps:
  - put chromium or google-chrome on PATH, or its path into CHROMIUM
  - run this as root or with passwordless sudo where there is apt-get: then it is installed`;

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

/** Resolves with the path of the browser, and installs it first if there is none. */
function provideBrowser() {
  return provide({ title: 'Chromium', find: findBrowser, help: HELP, debian: 'chromium' });
}

module.exports = { provideBrowser };
