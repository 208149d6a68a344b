'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { ROOT, succeed } = require('../command.js');
const { step } = require('../say.js');
const debianRust = require('./debian-rust.js');
const { compareVersions, newestGlibc, versionsNeeded } = require('./elf.js');
const { CACHE, provideZig } = require('./zig.js');

/** The glibc of CentOS 7, which whatever still runs Node 18 has at least. */
const OLDEST_GLIBC = '2.17';

const TARGET_FOLDER = path.join(CACHE, 'target');
/** Node's names of Rust's targets. The module of napi's command line has them too, but Node 18 cannot load it. */
const TARGETS = {
  'x86_64-unknown-linux-gnu': ['linux', 'x64', 'gnu'],
  'x86_64-unknown-linux-musl': ['linux', 'x64', 'musl'],
  'aarch64-unknown-linux-gnu': ['linux', 'arm64', 'gnu'],
  'x86_64-apple-darwin': ['darwin', 'x64'],
  'aarch64-apple-darwin': ['darwin', 'arm64'],
  'x86_64-pc-windows-msvc': ['win32', 'x64', 'msvc'],
};
const LIBRARIES = { linux: 'libhfxbus.so', darwin: 'libhfxbus.dylib', win32: 'hfxbus.dll' };

/** The targets of package.json; `name` is that of their folder in `npm/`. */
function targets() {
  const { napi } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  return napi.targets.map((triple) => {
    if (!(triple in TARGETS)) throw new Error(`scripts/package/targets.js does not know the target ${triple}`);
    const [platform, arch, abi] = TARGETS[triple];
    return { name: TARGETS[triple].join('-'), triple, platform, arch, abi };
  });
}

/**
 * Returns the reason that a target cannot be built here, or null. Zig links for every Linux, and Rust's library for it can be
 * built. Other targets need their own system.
 */
function obstacle({ triple, platform }) {
  if (platform !== 'linux' && platform !== process.platform) return `it takes a machine with ${platform}`;
  const folder = libraryFolder(triple);
  const canBuild = folder && platform === 'linux' && debianRust.canProvide();
  return hasLibrary(triple) || canBuild ? null : `Rust's library for it is missing (rustup target add ${triple})`;
}

/** Returns true if the toolchain has Rust's library for a target. */
function hasLibrary(triple) {
  const folder = libraryFolder(triple);
  return Boolean(folder) && fs.existsSync(folder);
}

/** Returns the folder of the toolchain's library for a target; empty for an unknown target. */
function libraryFolder(triple) {
  const { stdout } = spawnSync('rustc', ['--print', 'target-libdir', '--target', triple], { encoding: 'utf8' });
  return (stdout ?? '').trim();
}

/** Returns true if a binary of a target runs on this machine. */
function runsHere({ platform, arch, abi }) {
  if (platform !== process.platform || arch !== process.arch) return false;
  if (platform !== 'linux') return true;
  return (abi === 'gnu') === Boolean(process.report.getReport().header.glibcVersionRuntime);
}

/** Builds the addon for a target; resolves with the file. It is checked as far as it can be. */
async function build(target) {
  const { name, triple, platform } = target;
  await step(`${name}: building`, () => (platform === 'linux' ? zigbuild(target) : cargo('build', triple)));
  const file = path.join(TARGET_FOLDER, triple, 'release', LIBRARIES[platform]);
  const glibc = target.abi === 'gnu' ? glibcOf(file) : null;
  if (runsHere(target)) await load(file);
  return { file, glibc };
}

async function zigbuild({ triple, abi }) {
  const variables = { ...(await provideZig()), ...(!hasLibrary(triple) && (await debianRust.provideDebianRust())) };
  await cargo('zigbuild', abi === 'gnu' ? `${triple}.${OLDEST_GLIBC}` : triple, variables);
}

function cargo(verb, target, variables = {}) {
  const args = [verb, '--release', '--lib', '--locked', '--target', target, '--target-dir', TARGET_FOLDER];
  return succeed('cargo', args, { env: { ...process.env, ...variables } });
}

/** The newest glibc that a file needs; one that is too new for the oldest systems is refused. */
function glibcOf(file) {
  const glibc = newestGlibc(versionsNeeded(fs.readFileSync(file)));
  if (glibc && compareVersions(glibc, OLDEST_GLIBC) > 0) {
    throw new Error(`${file} needs glibc ${glibc}, and is to need none newer than ${OLDEST_GLIBC}`);
  }
  return glibc;
}

function load(file) {
  const program =
    'const addon = { exports: {} }; process.dlopen(addon, process.argv[1]); process.exit(addon.exports.start ? 0 : 1)';
  return succeed(process.execPath, ['-e', program, file], { show: false });
}

module.exports = { OLDEST_GLIBC, build, glibcOf, obstacle, runsHere, targets };
