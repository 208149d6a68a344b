'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, succeed } = require('../command.js');
const { exists } = require('../program.js');
const { step } = require('../say.js');
const { compareVersions, newestGlibc, versionsNeeded } = require('./elf.js');
const { flagsFor } = require('./flags.js');
const { provideEmptyLibnode } = require('./libnode.js');
const { toolchainFor } = require('./toolchain.js');
const { CACHE, provideZig } = require('./zig.js');

/** The glibc of CentOS 7, which every system with Node 18 has at least. */
const OLDEST_GLIBC = '2.17';

const TARGET_FOLDER = path.join(CACHE, 'target');
/**
 * Node's names of Rust's targets, and the target that another system builds in place of one. Node loads both: a binary for
 * Windows looks the functions of Node up itself, so it needs neither the C++ library nor the import library of a compiler.
 */
const TARGETS = {
  'x86_64-unknown-linux-gnu': { platform: 'linux', arch: 'x64', abi: 'gnu' },
  'x86_64-unknown-linux-musl': { platform: 'linux', arch: 'x64', abi: 'musl' },
  'aarch64-unknown-linux-gnu': { platform: 'linux', arch: 'arm64', abi: 'gnu' },
  'aarch64-unknown-linux-musl': { platform: 'linux', arch: 'arm64', abi: 'musl' },
  'x86_64-apple-darwin': { platform: 'darwin', arch: 'x64' },
  'aarch64-apple-darwin': { platform: 'darwin', arch: 'arm64' },
  'x86_64-pc-windows-msvc': { platform: 'win32', arch: 'x64', elsewhere: 'x86_64-pc-windows-gnu' },
  'aarch64-pc-windows-msvc': { platform: 'win32', arch: 'arm64', elsewhere: 'aarch64-pc-windows-gnullvm' },
};
/** Crate type of every addon. With the crate type `rlib` besides, cargo leaves `lto` of the profile out. */
const CRATE_TYPE = ['--crate-type', 'cdylib'];
const LIBRARIES = { linux: 'libhfxbus.so', darwin: 'libhfxbus.dylib', win32: 'hfxbus.dll' };

/**
 * The targets of package.json. `name` is that of their folder in `npm/`, `triple` the target that is compiled in its place.
 *
 * @param {string} [host] the platform that compiles
 */
function targets(host = process.platform) {
  const { napi } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  return napi.targets.map((listed) => {
    if (!(listed in TARGETS)) throw new Error(`scripts/package/targets.js does not know the target ${listed}`);
    const { elsewhere, ...target } = TARGETS[listed];
    const triple = target.platform === host ? listed : (elsewhere ?? listed);
    const name = [target.platform, target.arch, target.abi].filter(Boolean).join('-');
    return { name, listed, triple, ...target };
  });
}

/**
 * Returns the reason that a target cannot be built here, or null. Zig links for every system; Rust's library for the target
 * comes with the toolchain, or is built.
 */
function obstacle({ triple, platform }) {
  if (!isNative(platform) && !exists('python3', ['-m', 'venv', '--help'])) {
    return 'python3 with venv is missing, by which the linker for other systems is installed';
  }
  if (toolchainFor(triple)) return null;
  return `Rust's library for it is missing (rustup target add ${triple}), and so are its sources (rustup component add rust-src)`;
}

/** Returns true if a system builds for itself with its own linker. Linux does not: it would need its own, newer glibc. */
function isNative(platform) {
  return platform === process.platform && platform !== 'linux';
}

/** Returns true if a binary of a target runs on this machine. */
function runsHere({ platform, arch, abi }) {
  if (platform !== process.platform || arch !== process.arch) return false;
  if (platform !== 'linux') return true;
  return (abi === 'gnu') === Boolean(process.report.getReport().header.glibcVersionRuntime);
}

/** Builds the addon for a target; resolves with its file, the glibc that it needs, and the toolchain's name. */
async function build(target) {
  const { name, triple } = target;
  const toolchain = toolchainFor(triple);
  await step(`${name}: building with ${toolchain.name}`, () => compile(target, toolchain));
  const file = fileOf(target);
  const glibc = target.abi === 'gnu' ? glibcOf(file) : null;
  if (runsHere(target)) await load(file);
  return { file, glibc, toolchain: toolchain.name };
}

async function compile(target, toolchain) {
  const { triple, platform, abi } = target;
  const variables = await toolchain.variables();
  Object.assign(variables, flagsFor(target, variables));
  const options = ['--release', '--lib', '--locked', ...CRATE_TYPE, '--target-dir', folderOf(target)];
  if (isNative(platform)) return cargo('cargo', ['rustc', ...options, '--target', triple], variables);
  Object.assign(variables, await provideZig(), platform === 'win32' && provideEmptyLibnode());
  const wanted = abi === 'gnu' ? `${triple}.${OLDEST_GLIBC}` : triple;
  return cargo('cargo-zigbuild', ['rustc', ...options, '--target', wanted], variables);
}

function cargo(program, args, variables) {
  // The program is searched for on the PATH of this process, not on the one that it gets.
  const file = program === 'cargo' ? program : path.join(variables.PATH.split(path.delimiter)[0], program);
  return succeed(file, args, { env: { ...process.env, ...variables }, show: false });
}

/** Returns the folder of cargo for a target. Each has its own, so that no build waits for another one. */
function folderOf({ name }) {
  return path.join(TARGET_FOLDER, name);
}

/** Returns the file that the build of a target writes. */
function fileOf(target) {
  return path.join(folderOf(target), target.triple, 'release', LIBRARIES[target.platform]);
}

/** The newest glibc that a file needs; one that is too new for the oldest systems is refused. */
function glibcOf(file) {
  const glibc = newestGlibc(versionsNeeded(fs.readFileSync(file)));
  if (glibc && compareVersions(glibc, OLDEST_GLIBC) > 0) {
    throw new Error(`${file} needs glibc ${glibc}, and must need none newer than ${OLDEST_GLIBC}`);
  }
  return glibc;
}

function load(file) {
  const program =
    'const addon = { exports: {} }; process.dlopen(addon, process.argv[1]); process.exit(addon.exports.NativeFacade ? 0 : 1)';
  return succeed(process.execPath, ['-e', program, file], { show: false });
}

module.exports = { OLDEST_GLIBC, build, fileOf, glibcOf, obstacle, runsHere, targets };
