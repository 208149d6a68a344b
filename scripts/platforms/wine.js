'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { succeed } = require('../command.js');
const { step } = require('../say.js');
const { unpackDebian } = require('../package/debian.js');
const { provideZig } = require('../package/zig.js');
const { runIntoFile } = require('./file-output.js');
const { CACHE } = require('./wheels.js');

const FOLDER = path.join(CACHE, 'wine');
const PREFIX = path.join(CACHE, 'wine-prefix');
const PROGRAM = path.join(FOLDER, 'usr', 'lib', 'wine', 'wine64');
/** A library of Debian's that Wine's own need, in a package of its own. */
const ZLIB = path.join('usr', 'x86_64-w64-mingw32', 'lib', 'zlib1.dll');
/** A library that Windows has and Wine 8 lacks; Rust's library takes random bytes from it. */
const MISSING = path.join(__dirname, 'programs', 'bcryptprimitives.c');

/**
 * Returns the program of Wine and its variables. Debian's packages of it are downloaded and unpacked if they are not there;
 * nothing is installed.
 */
async function provideWine() {
  const env = { WINEPREFIX: PREFIX, WINEDEBUG: '-all', NODE_SKIP_PLATFORM_CHECK: '1', DISPLAY: '' };
  if (!fs.existsSync(PROGRAM)) await step('wine64 of Debian: unpacking', unpack);
  if (!fs.existsSync(path.join(PREFIX, 'done'))) await step('Wine: making its folder', () => makePrefix(env));
  return { program: PROGRAM, env, version: versionOf() };
}

/** Ends every program of Wine in our folder. */
function endWine() {
  const server = path.join(path.dirname(PROGRAM), 'wineserver');
  if (fs.existsSync(server)) spawnSync(server, ['--kill'], { env: { ...process.env, WINEPREFIX: PREFIX } });
}

async function unpack() {
  const folder = `${FOLDER}.new`;
  fs.rmSync(folder, { recursive: true, force: true });
  await unpackDebian(['wine64'], folder);
  const programs = path.join(folder, 'usr', 'lib', 'wine');
  // Debian's is a script that knows the place of an installed one only.
  fs.copyFileSync(path.join(programs, 'wineserver64'), path.join(programs, 'wineserver'));
  const system = path.join(folder, 'usr', 'lib', 'x86_64-linux-gnu', 'wine', 'x86_64-windows');
  fs.copyFileSync(path.join(folder, ZLIB), path.join(system, 'zlib1.dll'));
  fs.renameSync(folder, FOLDER);
}

async function makePrefix(env) {
  fs.rmSync(PREFIX, { recursive: true, force: true });
  const all = { ...process.env, ...env };
  // Its code is an error, since there is no Wine of 32 bits.
  const { output } = await runIntoFile(PROGRAM, ['wineboot', '--init'], { env: all });
  const system = path.join(PREFIX, 'drive_c', 'windows', 'system32');
  fs.copyFileSync(path.join(FOLDER, ZLIB), path.join(system, 'zlib1.dll'));
  if (!fs.existsSync(path.join(system, 'kernel32.dll'))) throw new Error(`wineboot made no system:\n${output}`);
  const zig = await provideZig();
  const target = ['-target', 'x86_64-windows-gnu', '-shared', '-o', path.join(system, 'bcryptprimitives.dll')];
  const args = ['-m', 'ziglang', 'cc', ...target, MISSING, '-ladvapi32'];
  await succeed(path.join(zig.PATH.split(path.delimiter)[0], 'python'), args, { env: { ...all, ...zig }, show: false });
  fs.writeFileSync(path.join(PREFIX, 'done'), '');
}

function versionOf() {
  const { stdout } = spawnSync(PROGRAM, ['--version'], { encoding: 'utf8' });
  return /\d+\.\d+/.exec(stdout ?? '')?.[0] ?? 'of unknown version';
}

module.exports = { endWine, provideWine };
