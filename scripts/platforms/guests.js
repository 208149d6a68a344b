'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { step } = require('../say.js');
const { debianVersions, unpackDebian, unpackForeign } = require('../package/debian.js');
const { CACHE, provideNode } = require('./wheels.js');
const { provideWine } = require('./wine.js');

/** The newest Node of each kind that its emulator runs: Wine 8 cannot reserve memory as Node 24 does. */
const NODE = '24.19.0';
const NODE_IN_WINE = '22.20.0';
const PRELOAD = path.join(__dirname, 'programs', 'guest.js');

/**
 * Ways to run a platform's Node here, by the platform's name. `provide` resolves with the program, its first arguments and
 * its variables, after what it needs is downloaded; nothing is installed. Where `embedded` is true, tests run on the embedded
 * server, since a program in Wine cannot start one of Linux.
 *
 * @type {Record<string, { where: string, isEmulated?: boolean, embedded?: boolean, provide: () => Promise<{ file: string, args: string[], env: object }> }>}
 */
const GUESTS = {
  'linux-x64-gnu': { where: `this machine, Node ${process.versions.node}`, provide: native },
  'linux-x64-musl': { where: `musl 1.2, Node ${NODE}`, provide: musl },
  'linux-arm64-gnu': {
    where: `qemu-user, Node ${NODE}`,
    isEmulated: true,
    provide: () => qemu('manylinux_2_28_aarch64', GLIBC),
  },
  'linux-arm64-musl': {
    where: `qemu-user, musl 1.2, Node ${NODE}`,
    isEmulated: true,
    provide: () => qemu('musllinux_1_2_aarch64', MUSL),
  },
  'win32-x64': { where: `Wine, Node ${NODE_IN_WINE}`, isEmulated: true, embedded: true, provide: wine },
};
const GLIBC = { packages: ['libc6', 'libstdc++6', 'libgcc-s1'] };
/** Older ones do not know the relocations of this Node. */
const MUSL = { packages: ['musl'], release: 'trixie' };

/** Returns the reason that this machine cannot run a platform's Node, or null. */
function whyNotRun(name) {
  if (!(name in GUESTS)) return 'no emulator here runs it';
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'emulators are set up on Linux x64 only';
  if (name === 'linux-x64-gnu') return null;
  const [version] = debianVersions(['musl']);
  return version ? null : 'apt has no package of Debian for it';
}

async function native() {
  return { file: process.execPath, args: [], env: {} };
}

async function musl() {
  const root = await provideLibrary(MUSL, 'amd64');
  const loader = path.join(root, 'lib', 'ld-musl-x86_64.so.1');
  return wrapped('linux-x64-musl', loader, [await provideNode('musllinux_1_2_x86_64', NODE)]);
}

async function qemu(tag, library) {
  const emulator = path.join(CACHE, 'qemu');
  await once(emulator, 'qemu-user-static', (folder) => unpackDebian(['qemu-user-static'], folder));
  const root = await provideLibrary(library, 'arm64');
  const program = path.join(emulator, 'usr', 'bin', 'qemu-aarch64-static');
  return wrapped(`linux-arm64-${tag}`, program, ['-L', root, await provideNode(tag, NODE)]);
}

/** Returns the folder with a C library. */
async function provideLibrary({ packages, release }, arch) {
  const root = path.join(CACHE, `${packages[0]}-${arch}`);
  const fill = async (folder) => {
    await unpackForeign(packages, { arch, release }, folder);
    // An installed Debian has this link; programs name their loader by it.
    const lib = path.join(folder, 'lib');
    if (!fs.existsSync(lib)) fs.symlinkSync(path.join('usr', 'lib'), lib);
  };
  await once(root, `${packages.join(', ')} for ${arch}`, fill);
  return root;
}

async function wine() {
  const { program, env } = await provideWine();
  // A server that a test has killed can keep its pipe, and so the test.
  return { file: program, args: [await provideNode('win_amd64', NODE_IN_WINE)], env, flags: ['--test-force-exit'] };
}

/**
 * A script that stands for the program of Node, so that a guest can start itself: what it believes to be its program is its
 * loader or its emulator.
 */
function wrapped(name, program, args) {
  const file = path.join(CACHE, `run-${name}`);
  const words = [program, ...args].map((word) => `'${word}'`).join(' ');
  fs.writeFileSync(file, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  return { file, args: [], env: { NODE_OPTIONS: `--require ${PRELOAD}`, HFXBUS_GUEST: file } };
}

/** Fills a folder that is there in full or not at all. */
async function once(folder, title, fill) {
  if (fs.existsSync(folder)) return;
  const unfinished = `${folder}.new`;
  fs.rmSync(unfinished, { recursive: true, force: true });
  await step(`${title} of Debian: unpacking`, () => fill(unfinished));
  fs.renameSync(unfinished, folder);
}

module.exports = { GUESTS, whyNotRun };
