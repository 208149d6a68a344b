'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseTriple } = require('@napi-rs/cli');
const { ROOT, succeed } = require('../command.js');
const { step } = require('../say.js');
const { compareVersions, newestGlibc, versionsNeeded } = require('./elf.js');
const { CACHE, provideZig } = require('./zig.js');

/** The glibc of CentOS 7, which whatever still runs Node 18 has at least. */
const OLDEST_GLIBC = '2.17';

const TARGET_FOLDER = path.join(CACHE, 'target');
const LIBRARIES = { linux: 'libhfxbus.so', darwin: 'libhfxbus.dylib', win32: 'hfxbus.dll' };

/** The targets of package.json; `name` is that of their folder in `npm/`. */
function targets() {
  const { napi } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  return napi.targets.map(parseTriple).map(({ triple, platform, arch, platformArchABI, abi }) => ({
    name: platformArchABI,
    triple,
    platform,
    arch,
    abi,
  }));
}

/** Why a target cannot be built here, or null. Zig links for every Linux; the others need what their systems have. */
function obstacle({ triple, platform }) {
  if (platform !== 'linux' && platform !== process.platform) return `it takes a machine with ${platform}`;
  const { stdout } = spawnSync('rustc', ['--print', 'target-libdir', '--target', triple], { encoding: 'utf8' });
  if (!stdout || !fs.existsSync(stdout.trim())) return `Rust's library for it is missing (rustup target add ${triple})`;
  return null;
}

/** Whether what is built for a target runs on this machine. */
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
  const zig = await provideZig();
  // Rust links the C library of musl into what it builds, which an addon shares with Node.
  const flags = `CARGO_TARGET_${triple.toUpperCase().replaceAll('-', '_')}_RUSTFLAGS`;
  if (abi === 'musl') zig[flags] = '-C target-feature=-crt-static';
  await cargo('zigbuild', abi === 'gnu' ? `${triple}.${OLDEST_GLIBC}` : triple, zig);
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
