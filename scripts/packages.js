'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, runNpm } = require('./command.js');
const { say, step } = require('./say.js');

/** The npm packages that building and testing need, as the lock file has them. */
async function installPackages() {
  if (areThere()) say('npm packages: there');
  else await step('npm packages: installing', () => runNpm(['ci', '--no-audit', '--no-fund']));
  linkSelf();
}

/** Returns true if the installed packages match the lock file. Packages for other platforms can be missing. */
function areThere() {
  const wanted = packagesOf('package-lock.json');
  const installed = packagesOf(path.join('node_modules', '.package-lock.json'));
  return Object.entries(wanted).every(
    ([name, { version, optional }]) => name === '' || optional || installed[name]?.version === version,
  );
}

function packagesOf(lock) {
  const file = path.join(ROOT, lock);
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).packages : {};
}

/** Makes `import … from 'hfxbus'` mean this checkout, for examples and tests. */
function linkSelf() {
  const link = path.join(ROOT, 'node_modules', 'hfxbus');
  if (!fs.existsSync(link)) fs.symlinkSync(ROOT, link, 'junction');
}

module.exports = { installPackages, linkSelf };
