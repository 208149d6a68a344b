'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { debianRustVersion, provideDebianRust } = require('./debian-rust.js');

/** Variables by which cargo builds Rust's library along with the program. That is not stable, nor are parts of the library. */
const BUILD_LIBRARY = { RUSTC_BOOTSTRAP: '1', CARGO_UNSTABLE_BUILD_STD: 'std,panic_unwind' };

/**
 * Ways to have Rust's library for a target, in order: from the toolchain itself, built from the sources of any toolchain of
 * rustup that has them, and built from Debian's packages.
 *
 * @returns {{ name: string, variables: () => Promise<object> } | null} null if this machine has none of them
 */
function toolchainFor(triple) {
  return own(triple) ?? withSources(triple) ?? ofDebian(triple);
}

function own(triple) {
  const folder = print('rustc', [], 'target-libdir', triple);
  if (!folder || !fs.existsSync(folder)) return null;
  return { name: versionOf('rustc', []), variables: async () => ({}) };
}

function withSources(triple) {
  const { stdout } = spawnSync('rustup', ['toolchain', 'list', '--quiet'], { encoding: 'utf8' });
  for (const toolchain of (stdout ?? '').split('\n').filter(Boolean)) {
    const first = [`+${toolchain}`];
    const sources = path.join(print('rustc', first, 'sysroot'), 'lib', 'rustlib', 'src', 'rust', 'library');
    if (!fs.existsSync(path.join(sources, 'Cargo.lock')) || !print('rustc', first, 'target-libdir', triple)) continue;
    const variables = { ...BUILD_LIBRARY, RUSTUP_TOOLCHAIN: toolchain };
    return { name: `${versionOf('rustc', first)} and its sources`, variables: async () => variables };
  }
  return null;
}

function ofDebian(triple) {
  // Debian's compiler is not there yet, so that the toolchain answers for it.
  const version = print('rustc', [], 'target-libdir', triple) && debianRustVersion();
  if (!version) return null;
  const variables = async () => ({ ...BUILD_LIBRARY, ...(await provideDebianRust()) });
  return { name: `rustc ${version} of Debian and its sources`, variables };
}

function versionOf(file, first) {
  const { stdout } = spawnSync(file, [...first, '--version'], { encoding: 'utf8' });
  return (stdout ?? '').split(' ').slice(0, 2).join(' ').trim();
}

/** Returns what rustc prints about a subject; empty if there is no rustc, or if it does not know the target. */
function print(file, first, subject, triple) {
  const target = triple ? ['--target', triple] : [];
  const { stdout } = spawnSync(file, [...first, '--print', subject, ...target], { encoding: 'utf8' });
  return (stdout ?? '').trim();
}

module.exports = { toolchainFor };
