'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, runNpm } = require('./command.js');
const { stageMain, stagePlatform, stageSelfContained } = require('./package/stage.js');
const { build, obstacle, runsHere, targets } = require('./package/targets.js');
const { CACHE } = require('./package/zig.js');
const { exists } = require('./program.js');
const { say } = require('./say.js');

const DIST = path.join(ROOT, 'dist');
const STAGE = path.join(CACHE, 'stage');
/** Maximum installed size of the main package and one platform, in MB. */
const LIMIT = 7;

/**
 * Builds the addon for every platform that this machine can build for, and packs what is to be published.
 *
 * @param {string[]} chosen names of platforms, such as `linux-x64-gnu`; without any it is all of them
 */
async function makePackages(chosen) {
  if (!exists('cargo')) throw new Error('cargo is missing: the addon is built with Rust, see https://rustup.rs');
  for (const folder of [DIST, STAGE]) fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(DIST);
  const built = [];
  const notes = [];
  const failed = [];
  for (const target of targets()) {
    const reason = chosen.length > 0 && !chosen.includes(target.name) ? 'not asked for' : obstacle(target);
    const binary = reason ? null : await build(target).catch((error) => error);
    if (binary instanceof Error) failed.push(`${target.name}: FAILED: ${binary.message}`);
    else if (binary) built.push({ ...target, ...binary });
    else notes.push(`${target.name}: left out: ${reason}`);
  }
  if (built.length === 0) throw new Error(`nothing was built: ${[...failed, ...notes].join('; ')}`);
  const main = await pack('hfxbus', (folder) => stageMain(folder));
  for (const binary of built) {
    const platform = await pack(binary.name, (folder) => stagePlatform(folder, binary));
    notes.push(`${binary.name}: ${megabytes(sizeOf(binary.file))} by ${binary.toolchain}, ${stateOf(binary)}`);
    limit(binary.name, main + platform);
  }
  await pack('self-contained', (folder) => stageSelfContained(folder, built), '-self-contained');
  for (const note of notes) say(note);
  if (failed.length > 0) throw new Error(failed.join('\n'));
}

function stateOf(binary) {
  const state = runsHere(binary) ? 'loaded here' : 'not loaded here: npm run test:platforms';
  return binary.glibc ? `${state}, needs glibc ${binary.glibc}` : state;
}

/** Packs what `lay` lays into a folder; resolves with its size when installed. */
async function pack(name, lay, suffix = '') {
  const folder = path.join(STAGE, name);
  fs.mkdirSync(folder, { recursive: true });
  lay(folder);
  const packed = path.join(STAGE, 'packed');
  fs.mkdirSync(packed, { recursive: true });
  await runNpm(['pack', '--ignore-scripts', '--silent', '--pack-destination', packed], { cwd: folder, show: false });
  const [file] = fs.readdirSync(packed);
  const tarball = path.join(DIST, file.replace(/\.tgz$/, `${suffix}.tgz`));
  fs.renameSync(path.join(packed, file), tarball);
  const size = sizeOf(folder);
  say(`${path.relative(ROOT, tarball)}: ${megabytes(sizeOf(tarball))}, ${megabytes(size)} installed`);
  return size;
}

function limit(name, size) {
  if (size > LIMIT * 1e6) throw new Error(`hfxbus with ${name} takes ${megabytes(size)}, more than ${LIMIT} MB`);
}

function sizeOf(file) {
  if (!fs.statSync(file).isDirectory()) return fs.statSync(file).size;
  return fs.readdirSync(file).reduce((sum, name) => sum + sizeOf(path.join(file, name)), 0);
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}

makePackages(process.argv.slice(2)).then(
  () => process.exit(0),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
