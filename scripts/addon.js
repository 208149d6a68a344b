'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, runNpm } = require('./command.js');
const { exists } = require('./program.js');
const { say, step } = require('./say.js');

/** Sources of the addon. */
const SOURCES = ['src', 'Cargo.toml', 'Cargo.lock', 'build.rs'];

/** The addon, built if it is not there, cannot be loaded here, or is older than its sources. */
async function provideAddon() {
  if (isFresh()) say('addon: there, and newer than its sources');
  else await buildAddon();
}

/** Builds the addon. */
async function buildAddon() {
  if (!exists('cargo')) throw new Error('cargo is missing: the addon is built with Rust, see https://rustup.rs');
  await step('addon: building (some minutes the first time)', () => runNpm(['run', '--silent', 'build']));
}

function isFresh() {
  const built = fs.readdirSync(ROOT).filter((name) => name.endsWith('.node'));
  if (built.length === 0 || !exists(process.execPath, [path.join(ROOT, 'native.js')])) return false;
  const oldest = Math.min(...built.map((name) => changed(path.join(ROOT, name))));
  return SOURCES.every((source) => newest(path.join(ROOT, source)) <= oldest);
}

/** Returns the time of the newest source in a folder. Only Rust and cargo's files are part of the build. */
function newest(file) {
  if (fs.statSync(file).isDirectory()) {
    return Math.max(0, ...fs.readdirSync(file).map((name) => newest(path.join(file, name))));
  }
  return /\.(rs|toml|lock)$/.test(file) ? changed(file) : 0;
}

function changed(file) {
  return fs.statSync(file).mtimeMs;
}

module.exports = { provideAddon, buildAddon };
