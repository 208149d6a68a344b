'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('../command.js');

/** Fields of the manifest that only builds use, and that are not published. */
const NOT_SHIPPED = ['scripts', 'devDependencies', 'napi'];
const ADDONS = '*.node';

/**
 * Lays out the main package, which finds its addon in one of the packages for platforms.
 * @param {string} folder where to
 */
function stageMain(folder) {
  const manifest = stageScripts(folder);
  const names = fs.readdirSync(path.join(ROOT, 'npm')).map((name) => manifestOf(path.join('npm', name)).name);
  manifest.optionalDependencies = Object.fromEntries(names.sort().map((name) => [name, manifest.version]));
  write(folder, manifest);
}

/**
 * Lays out the package with addons inside, which needs no other.
 * @param {string} folder where to
 * @param {{ name: string, file: string }[]} binaries the addons, and the folders in `npm/` of their platforms
 */
function stageSelfContained(folder, binaries) {
  const manifest = stageScripts(folder);
  for (const { name, file } of binaries) {
    fs.copyFileSync(file, path.join(folder, manifestOf(path.join('npm', name)).main));
  }
  manifest.files = [...manifest.files, ADDONS];
  write(folder, manifest);
}

/**
 * Lays out the package of a platform.
 * @param {string} folder where to
 * @param {{ name: string, file: string }} binary the addon, and the folder in `npm/` of its platform
 */
function stagePlatform(folder, { name, file }) {
  const source = path.join('npm', name);
  fs.cpSync(path.join(ROOT, source), folder, { recursive: true });
  for (const text of ['LICENSE', 'THIRD-PARTY-NOTICES.md'])
    fs.copyFileSync(path.join(ROOT, text), path.join(folder, text));
  fs.copyFileSync(file, path.join(folder, manifestOf(source).main));
}

/** Copies what does not depend on the platform; returns the manifest, which is still to be written. */
function stageScripts(folder) {
  const manifest = manifestOf('.');
  manifest.files = manifest.files.filter((file) => file !== ADDONS);
  const excluded = manifest.files.filter((file) => file.startsWith('!')).map((file) => path.join(ROOT, file.slice(1)));
  const filter = (source) => !excluded.includes(source);
  for (const file of manifest.files.filter((name) => !name.startsWith('!'))) {
    fs.cpSync(path.join(ROOT, file), path.join(folder, file), { recursive: true, filter });
  }
  for (const field of NOT_SHIPPED) delete manifest[field];
  return manifest;
}

function manifestOf(folder) {
  return JSON.parse(fs.readFileSync(path.join(ROOT, folder, 'package.json'), 'utf8'));
}

function write(folder, manifest) {
  fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

module.exports = { stageMain, stagePlatform, stageSelfContained };
