'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ROOT } = require('../command.js');

/** Separator in CARGO_ENCODED_RUSTFLAGS. */
const SEPARATOR = '\x1f';
/** Oldest systems that Node 18 runs on. */
const OLDEST_MACOS = { x64: '10.15', arm64: '11.0' };

/**
 * Returns the variables with the compiler's flags for a target. Paths of this machine are replaced, so that the same sources
 * give the same bytes in any folder. These flags come in place of those in .cargo/config.toml, which they repeat.
 *
 * @param {{ platform: string, arch: string, abi?: string }} target
 * @param {object} variables those of the toolchain
 */
function flagsFor({ platform, arch, abi }, variables) {
  const flags = places(variables).map(([from, to]) => `--remap-path-prefix=${from}=${to}`);
  if (abi === 'musl') flags.push('-Ctarget-feature=-crt-static');
  if (platform === 'win32' && process.platform === 'win32') flags.push('-Ctarget-feature=+crt-static');
  return {
    CARGO_ENCODED_RUSTFLAGS: flags.join(SEPARATOR),
    ...(platform === 'darwin' && { MACOSX_DEPLOYMENT_TARGET: OLDEST_MACOS[arch] }),
  };
}

/** Folders of this machine whose names get into binaries, and the names that stand for them there. */
function places(variables) {
  const { stdout } = spawnSync('rustc', ['--print', 'sysroot'], {
    encoding: 'utf8',
    env: { ...process.env, ...variables },
  });
  const registry = path.join(process.env.CARGO_HOME ?? path.join(os.homedir(), '.cargo'), 'registry', 'src');
  const indexes = fs.existsSync(registry) ? fs.readdirSync(registry).sort() : [];
  return [
    [path.join((stdout ?? '').trim(), 'lib', 'rustlib', 'src', 'rust'), '/rustc'],
    [ROOT, '/hfxbus'],
    ...indexes.map((name) => [path.join(registry, name), '/cargo']),
  ];
}

module.exports = { OLDEST_MACOS, flagsFor };
