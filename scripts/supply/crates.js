'use strict';

const { execFileSync } = require('node:child_process');
const { ROOT } = require('../command.js');
const { targets } = require('../package/targets.js');

const MOST_OUTPUT = 256 * 1024 * 1024;

/**
 * Returns the crates that are linked into the addon for any target, in the order of their names. Macros run at the build, and
 * tests and build scripts are not in the addon, so their crates are left out.
 *
 * @returns {{ name: string, version: string, license: string, folder: string, checksum?: string }[]}
 */
function linkedCrates() {
  const found = new Map();
  for (const triple of new Set(targets().flatMap((target) => [target.listed, target.triple]))) {
    for (const crate of linkedFor(triple)) found.set(crate.id, crate);
  }
  return [...found.values()].sort((one, other) => compare(one.name, other.name) || compare(one.version, other.version));
}

function linkedFor(triple) {
  const args = ['metadata', '--format-version', '1', '--locked', '--filter-platform', triple];
  const metadata = JSON.parse(execFileSync('cargo', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: MOST_OUTPUT }));
  return linkedIn(metadata);
}

/** Returns the crates that the root of a graph of cargo links, without the root. */
function linkedIn({ packages, resolve }) {
  const byId = new Map(packages.map((one) => [one.id, one]));
  const nodes = new Map(resolve.nodes.map((one) => [one.id, one]));
  const seen = new Set([resolve.root]);
  const left = [resolve.root];
  while (left.length > 0) {
    for (const { pkg, dep_kinds: kinds } of nodes.get(left.pop()).deps) {
      const isLinked = kinds.some(({ kind }) => kind === null) && !isMacro(byId.get(pkg));
      if (isLinked && !seen.has(pkg)) left.push(pkg);
      if (isLinked) seen.add(pkg);
    }
  }
  seen.delete(resolve.root);
  return [...seen].map((id) => describe(byId.get(id)));
}

function isMacro({ targets: built }) {
  return built.some(({ kind }) => kind.includes('proc-macro'));
}

function describe({ id, name, version, license, manifest_path: manifest }) {
  return { id, name, version, license: license ?? '', folder: manifest.replace(/[\\/]Cargo\.toml$/, '') };
}

function compare(one, other) {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

module.exports = { linkedCrates, linkedIn };
