'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { run } = require('../command.js');
const { TOOLS, tool } = require('./tools.js');

/** The platform that writes the lock file. */
const OTHER = process.platform === 'darwin' ? { os: 'win32', cpu: 'x64' } : { os: 'darwin', cpu: 'arm64' };
const OPTIONS = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
const LOAD = 'require("hfxbus"); console.log("loaded"); process.exit()';
/** A command in the message of NO_BINARY. */
const REMEDY = /^ {2}npm (install --no-save \S+)$/m;

/** npm by version; `forgets` says that it can drop packages of other platforms from a lock file. */
const NPMS = [
  { name: `npm ${TOOLS.npm}`, cli: tool('npm', 'bin/npm-cli.js'), forgets: true, node: 18 },
  { name: TOOLS['npm-11'].replace('npm:', '').replace('@', ' '), cli: tool('npm-11', 'bin/npm-cli.js'), node: 20 },
].filter(({ node }) => Number.parseInt(process.versions.node, 10) >= node);

/**
 * Installations with a lock file that another platform has written: from nothing, and from its node_modules after the lock file
 * was deleted. The second one drops the packages of all other platforms in npm 10.
 */
const LOCK_FILES = NPMS.flatMap(({ name, cli, forgets }) =>
  [true, false].flatMap((selfContained) =>
    [false, true].map((fromModules) => ({
      name: [
        `lock file of ${OTHER.os} by ${name}`,
        ...(fromModules ? ['from its node_modules'] : []),
        ...(selfContained ? ['self-contained'] : []),
      ].join(', '),
      run: (source) =>
        tryLockFile({ cli, selfContained, fromModules, drops: forgets && fromModules && !selfContained }, source),
    })),
  ),
);

async function tryLockFile({ cli, selfContained, fromModules, drops }, { tarballs, registry }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-lock-'));
  const npm = (...args) => node(folder, [cli, ...args, ...OPTIONS]);
  try {
    const dependencies = { hfxbus: `file:${selfContained ? tarballs.selfContained : tarballs.main}` };
    fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
    fs.writeFileSync(path.join(folder, '.npmrc'), `@hfxbus:registry=${registry}\n`);
    const elsewhere = ['install', `--os=${OTHER.os}`, `--cpu=${OTHER.cpu}`];
    await npm(...elsewhere);
    if (fromModules) {
      fs.rmSync(path.join(folder, 'package-lock.json'));
      await npm(...elsewhere);
    }
    fs.rmSync(path.join(folder, 'node_modules'), { recursive: true });
    await npm('ci');
    if (drops) await repair(folder, npm);
    await node(folder, ['-e', LOAD]);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Loading fails and names a command; afterwards it succeeds. */
async function repair(folder, npm) {
  const { code, output } = await run(process.execPath, ['-e', LOAD], { cwd: folder, show: false });
  const [, command] = REMEDY.exec(output) ?? [];
  if (code === 0) throw new Error('nothing is missing: npm is mended, and this case can go');
  if (!command) throw new Error(`the message names no command:\n${output}`);
  await npm(...command.split(' '));
}

async function node(cwd, args) {
  const { code, output } = await run(process.execPath, args, { cwd, show: false });
  if (code !== 0) throw new Error(`${args.slice(1, 3).join(' ')} ended with code ${code}:\n${output.trim()}`);
}

module.exports = { LOCK_FILES };
