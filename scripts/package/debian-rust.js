'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { succeed } = require('../command.js');
const { exists } = require('../program.js');
const { step } = require('../say.js');
const { compareVersions } = require('./elf.js');
const { CACHE } = require('./zig.js');

/** A compiler that Debian keeps new, and the sources of Rust's library for it, which no toolchain of rustup's has unasked. */
const PACKAGES = ['rustc-web', 'rust-web-src'];
/** As `rust-version` in Cargo.toml. */
const OLDEST_RUST = '1.88';
/** Excluded folders of the sources, which are five times as large as the library. */
const NOT_NEEDED = ['compiler', 'src'];

const FOLDER = path.join(CACHE, 'debian-rust');

/** Returns true if Debian's packages are available, for targets without a library from rustup. */
function canProvide() {
  if (process.platform !== 'linux' || !exists('dpkg-deb')) return false;
  const { stdout } = spawnSync('apt-cache', ['show', '--no-all-versions', ...PACKAGES], { encoding: 'utf8' });
  const versions = [...(stdout ?? '').matchAll(/^Version: (?:\d+:)?([\d.]+)/gm)].map(([, version]) => version);
  return versions.length === PACKAGES.length && versions.every((version) => compareVersions(version, OLDEST_RUST) >= 0);
}

/**
 * The variables with which cargo builds Rust's library along with the program, by Debian's compiler. Its packages are
 * downloaded and unpacked if they are not there; nothing is installed.
 */
async function provideDebianRust() {
  if (!fs.existsSync(FOLDER)) await step(`${PACKAGES.join(', ')} of Debian: unpacking`, unpack);
  const libraries = path.join(FOLDER, 'usr', 'lib');
  const own = fs.readdirSync(libraries).filter((name) => name.endsWith('-linux-gnu'));
  return {
    RUSTC: path.join(FOLDER, 'usr', 'bin', 'rustc'),
    LD_LIBRARY_PATH: own.map((name) => path.join(libraries, name)).join(path.delimiter),
    // Building the library is not stable, and neither are parts of it.
    RUSTC_BOOTSTRAP: '1',
    CARGO_UNSTABLE_BUILD_STD: 'std,panic_unwind',
  };
}

async function unpack() {
  const archives = path.join(CACHE, 'archives');
  const folder = `${FOLDER}.new`;
  for (const one of [archives, folder]) fs.rmSync(one, { recursive: true, force: true });
  fs.mkdirSync(path.join(archives, 'partial'), { recursive: true });
  const options = ['-o', `Dir::Cache::archives=${archives}`, '-o', 'Debug::NoLocking=true'];
  const args = ['install', '-y', '-qq', '--download-only', '--no-install-recommends', ...options, ...PACKAGES];
  await succeed('apt-get', args, { show: false });
  for (const name of fs.readdirSync(archives).filter((file) => file.endsWith('.deb'))) {
    await succeed('dpkg-deb', ['--extract', path.join(archives, name), folder], { show: false });
  }
  const sources = path.join(folder, 'usr', 'src');
  for (const name of fs.readdirSync(sources)) {
    for (const part of NOT_NEEDED) fs.rmSync(path.join(sources, name, part), { recursive: true, force: true });
  }
  fs.rmSync(archives, { recursive: true });
  fs.renameSync(folder, FOLDER);
}

module.exports = { canProvide, provideDebianRust };
