'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { run } = require('../command.js');
const { tool } = require('./tools.js');

const PROGRAM = path.join(__dirname, '..', 'platforms', 'programs', 'round-trips.js');
/** A name by which each host knows CommonJS. */
const NAME = 'round-trips.cjs';
/** Runs of the program, with the last line of each. */
const MODES = { redis: 'stopped', embedded: 'stopped', exits: 'exits' };
const PATIENCE = 120_000;

/** Package with the program of Node for this platform, and that program in it. */
const SYSTEM = process.platform === 'win32' ? 'win' : process.platform;
const NODE = `node-${SYSTEM}-${process.arch}`;
const NODE_FILE = `${NODE}/bin/node${process.platform === 'win32' ? '.exe' : ''}`;

/**
 * Programs that run JavaScript: each major version of Node from the oldest one that is supported on, and others. `file` is within
 * node_modules. `download` fetches a program that npm has not.
 */
const HOSTS = [
  ...[18, 20, 22, 24, 26].map((major) => ({ package: `${NODE}@${major}`, file: NODE_FILE, args: [], download: [] })),
  { package: 'bun@1.4.5', file: 'bun/bin/bun.exe', args: [], download: ['bun/install.js'] },
  { package: 'deno@2.9.6', file: 'deno/deno', args: ['run', '--allow-all'], download: ['deno/install.cjs'] },
  {
    package: 'electron@45.5.0',
    file: 'electron/dist/electron',
    args: ['--no-sandbox', '--headless'],
    download: ['electron/install.js'],
  },
].map((host) => ({
  name: host.package.replace('@', ' '),
  run: (source, port) => tryHost(host, source, port),
}));

/**
 * Installs a host beside the self-contained package, and runs the program there; resolves with the reason that it was left out,
 * or null.
 */
async function tryHost(host, { tarballs }, port) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-host-'));
  const env = { ...process.env, REDIS_URL: `redis://127.0.0.1:${port}` };
  const start = (file, args) =>
    run(file, args, { cwd: folder, env, show: false, timeout: PATIENCE, killSignal: 'SIGKILL' });
  try {
    fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
    fs.copyFileSync(PROGRAM, path.join(folder, NAME));
    const npm = [tool('npm', 'bin/npm-cli.js'), 'install', '--no-audit', '--no-fund', '--ignore-scripts'];
    succeeded(await start(process.execPath, [...npm, host.package, tarballs.selfContained]));
    const modules = path.join(folder, 'node_modules');
    const scripts = host.download.map((file) => path.join(modules, file));
    const downloaded = scripts.length > 0 ? await start(process.execPath, scripts) : { output: '' };
    const program = path.join(modules, host.file);
    if (!fs.existsSync(program)) {
      return `left out, since its program cannot be downloaded here: ${reasonIn(downloaded.output)}`;
    }
    for (const [mode, end] of Object.entries(MODES)) {
      const output = succeeded(await start(program, [...host.args, NAME, mode]));
      if (!output.split('\n').includes(end)) throw new Error(`${mode}: it printed:\n${output}`);
    }
    return null;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function succeeded({ code, output }) {
  if (code !== 0) throw new Error(`it ended with code ${code}:\n${output.trim()}`);
  return output;
}

/** Returns the line of an output that names the error, or the last one. */
function reasonIn(text) {
  const lines = text.trim().split('\n');
  return (lines.find((line) => /error/i.test(line)) ?? lines.at(-1)).trim();
}

module.exports = { HOSTS };
