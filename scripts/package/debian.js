'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { succeed } = require('../command.js');
const { exists } = require('../program.js');

/** Mirror of releases other than that of this machine. */
const MIRROR = 'http://deb.debian.org/debian';

/** Returns the newest versions of packages, in their order; `undefined` for a package that apt does not know. */
function debianVersions(names) {
  if (process.platform !== 'linux' || !exists('dpkg-deb')) return names.map(() => undefined);
  const { stdout } = spawnSync('apt-cache', ['show', '--no-all-versions', ...names], { encoding: 'utf8' });
  const found = [...(stdout ?? '').matchAll(/^Package: (\S+)$[\s\S]*?^Version: (?:\d+:)?(\S+)$/gm)];
  const versions = new Map(found.map(([, name, version]) => [name, version]));
  return names.map((name) => versions.get(name));
}

/**
 * Unpacks packages of Debian into a folder, with the dependencies that this machine lacks. Nothing is installed.
 *
 * @param {string[]} names names of the packages
 * @param {string} folder an empty folder, or one that does not exist
 */
async function unpackDebian(names, folder) {
  const archives = archivesOf(folder);
  const args = [
    'install',
    '-y',
    '-qq',
    '--reinstall',
    '--download-only',
    '--no-install-recommends',
    ...options(archives),
    ...names,
  ];
  await succeed('apt-get', args, { show: false });
  await extract(archives, folder);
}

/**
 * Unpacks packages of another architecture or another release of Debian, without their dependencies. Their list is read into a
 * folder of its own, so that this machine still knows its own packages only.
 *
 * @param {string[]} names names of the packages
 * @param {{ arch: string, release?: string }} of `release` is that of this machine if it is left out
 * @param {string} folder an empty folder, or one that does not exist
 */
async function unpackForeign(names, { arch, release }, folder) {
  const archives = archivesOf(folder);
  const state = path.join(archives, 'state');
  const [lists, status, sources] = ['lists', 'status', 'sources.list'].map((name) => path.join(state, name));
  fs.mkdirSync(path.join(lists, 'partial'), { recursive: true });
  fs.writeFileSync(status, '');
  fs.writeFileSync(sources, `deb ${MIRROR} ${release} main\n`);
  const all = {
    'Dir::State::Lists': lists,
    'Dir::State::status': status,
    'Dir::Cache': state,
    'APT::Architecture': arch,
    'APT::Architectures': arch,
    ...(release && { 'Dir::Etc::SourceList': sources, 'Dir::Etc::SourceParts': '/dev/null' }),
  };
  const foreign = Object.entries(all).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const common = ['-qq', ...foreign, ...options(archives), '-o', 'APT::Sandbox::User=root'];
  await succeed('apt-get', [...common, 'update'], { show: false });
  await succeed('apt-get', [...common, 'download', ...names], { show: false, cwd: archives });
  await extract(archives, folder);
}

function archivesOf(folder) {
  const archives = `${folder}.archives`;
  fs.rmSync(archives, { recursive: true, force: true });
  fs.mkdirSync(path.join(archives, 'partial'), { recursive: true });
  return archives;
}

function options(archives) {
  return ['-o', `Dir::Cache::archives=${archives}`, '-o', 'Debug::NoLocking=true'];
}

async function extract(archives, folder) {
  for (const name of fs.readdirSync(archives).filter((file) => file.endsWith('.deb'))) {
    await succeed('dpkg-deb', ['--extract', path.join(archives, name), folder], { show: false });
  }
  fs.rmSync(archives, { recursive: true });
}

module.exports = { debianVersions, unpackDebian, unpackForeign };
