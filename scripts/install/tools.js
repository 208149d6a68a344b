'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, runNpm } = require('../command.js');
const { step } = require('../say.js');

/** Folder of downloads, which git ignores. */
const CACHE = path.join(ROOT, '.cache', 'install');

/** Package managers, and what judges a package, as npm has them. */
const TOOLS = {
  npm: '10.9.9',
  'npm-11': 'npm:npm@11.21.2',
  pnpm: '10.34.8',
  '@yarnpkg/cli-dist': '4.18.1',
  publint: '0.3.25',
  '@arethetypeswrong/cli': '0.18.5',
};

/** Installs the tools if they are not there. */
async function provideTools() {
  const list = path.join(CACHE, 'package.json');
  const wanted = JSON.stringify({ private: true, dependencies: TOOLS });
  const isThere =
    fs.existsSync(list) && fs.readFileSync(list, 'utf8') === wanted && Object.keys(TOOLS).every(isInstalled);
  if (isThere) return;
  fs.mkdirSync(CACHE, { recursive: true });
  fs.writeFileSync(list, wanted);
  await step('package managers: installing', () =>
    runNpm(['install', '--no-audit', '--no-fund', '--no-save', '--no-package-lock'], { cwd: CACHE, show: false }),
  );
}

function isInstalled(name) {
  return fs.existsSync(path.join(CACHE, 'node_modules', name, 'package.json'));
}

/** The program of a tool. */
function tool(name, file) {
  return path.join(CACHE, 'node_modules', name, file);
}

module.exports = { CACHE, TOOLS, provideTools, tool };
