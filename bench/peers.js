'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, runNpm } = require('../scripts/command.js');
const { say } = require('./say.js');

/** Packages that are only compared with live here, out of reach of the package's own dependencies. */
const PEERS = path.join(__dirname, '.peers');

/**
 * The folder of a package, installed if it is not there yet.
 * @param {string[]} beside what it does not bring along and is to be found beside it, such as `ioredis@5.11.1`
 */
async function installPeer(name, version, beside = []) {
  return developed(name, version) ?? (await installed(name, version, beside));
}

/** A development dependency has it already, under another name. */
function developed(name, version) {
  const folder = path.join(ROOT, 'node_modules', `${name}-original`);
  return versionOf(folder) === version ? folder : undefined;
}

async function installed(name, version, beside) {
  const packages = [`${name}@${version}`, ...beside];
  const home = path.join(PEERS, packages.join('+').replaceAll('/', '-'));
  const folder = path.join(home, 'node_modules', name);
  if (!fs.existsSync(folder)) {
    say(`installing ${packages.join(' and ')}`);
    fs.mkdirSync(home, { recursive: true });
    fs.writeFileSync(path.join(home, 'package.json'), '{ "private": true }\n');
    await runNpm(['install', '--no-audit', '--no-fund', '--prefix', home, ...packages], { show: false });
  }
  return folder;
}

function versionOf(folder) {
  const file = path.join(folder, 'package.json');
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).version : undefined;
}

module.exports = { installPeer, versionOf };
