'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ROOT } = require('./documents.js');

/**
 * A folder in which the package is installed as users get it: from the packed tarball.
 * @returns {string} the folder, which is removed when the process exits
 */
function install() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-package-'));
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  call('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], ROOT);
  const [tarball] = fs.readdirSync(folder);
  const modules = path.join(folder, 'node_modules');
  fs.mkdirSync(modules);
  call('tar', ['-xzf', tarball, '-C', 'node_modules'], folder);
  fs.renameSync(path.join(modules, 'package'), path.join(modules, 'hfxbus'));
  // What it needs, without asking a registry.
  for (const name of ['eventemitter3', 'debug', 'ms']) {
    fs.cpSync(path.join(ROOT, 'node_modules', name), path.join(modules, name), { recursive: true });
  }
  return folder;
}

function call(file, args, cwd) {
  const { status, stderr, error } = spawnSync(file, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw error ?? new Error(`${file} ${args.join(' ')}: ${stderr}`);
}

module.exports = { install };
