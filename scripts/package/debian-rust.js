'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { step } = require('../say.js');
const { debianVersions, unpackDebian } = require('./debian.js');
const { compareVersions } = require('./elf.js');
const { CACHE } = require('./zig.js');

/** A compiler that Debian keeps new, and the sources of Rust's library for it. */
const PACKAGES = ['rustc-web', 'rust-web-src'];
/** As `rust-version` in Cargo.toml. */
const OLDEST_RUST = '1.88';
/** Excluded folders of the sources, which are five times as large as the library. */
const NOT_NEEDED = ['compiler', 'src'];

const FOLDER = path.join(CACHE, 'debian-rust');

/** Returns the version of Debian's compiler if it can build Rust's library for other targets, or null. */
function debianRustVersion() {
  const versions = debianVersions(PACKAGES).map((version) => /^[\d.]+\d/.exec(version)?.[0]);
  return versions.every((version) => version && compareVersions(version, OLDEST_RUST) >= 0) ? versions[0] : null;
}

/**
 * Returns the variables with which cargo runs Debian's compiler, and the folder of Rust's sources. Its packages are
 * downloaded and unpacked if they are not there; nothing is installed.
 */
async function provideDebianRust() {
  if (!fs.existsSync(FOLDER)) await step(`${PACKAGES.join(', ')} of Debian: unpacking`, unpack);
  const libraries = path.join(FOLDER, 'usr', 'lib');
  const own = fs.readdirSync(libraries).filter((name) => name.endsWith('-linux-gnu'));
  return {
    RUSTC: path.join(FOLDER, 'usr', 'bin', 'rustc'),
    LD_LIBRARY_PATH: own.map((name) => path.join(libraries, name)).join(path.delimiter),
  };
}

async function unpack() {
  const folder = `${FOLDER}.new`;
  fs.rmSync(folder, { recursive: true, force: true });
  await unpackDebian(PACKAGES, folder);
  const sources = path.join(folder, 'usr', 'src');
  for (const name of fs.readdirSync(sources)) {
    for (const part of NOT_NEEDED) fs.rmSync(path.join(sources, name, part), { recursive: true, force: true });
  }
  fs.renameSync(folder, FOLDER);
}

module.exports = { debianRustVersion, provideDebianRust };
