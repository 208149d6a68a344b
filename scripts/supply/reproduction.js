'use strict';

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ROOT, succeed } = require('../command.js');
const { step } = require('../say.js');

const TARGET = 'linux-x64-gnu';
/** Tools of the first folder that the second one uses too, so that they are not downloaded again. */
const TOOLS = /^(zigbuild-|zig$|debian-rust$)/;
const CACHE = path.join('.cache', 'package');
const BINARY = path.join(CACHE, 'target', TARGET, 'x86_64-unknown-linux-gnu', 'release', 'libhfxbus.so');

/**
 * Builds the commit of this checkout in two new folders, and compares the bytes; resolves with their hash.
 */
async function compareBuilds() {
  const hashes = [];
  for (const place of ['one', 'another-one']) hashes.push(await buildIn(place));
  const [one, other] = hashes;
  if (one !== other) throw new Error(`${TARGET} differs: ${one} and ${other}`);
  return `${TARGET}, SHA-256 ${one}`;
}

async function buildIn(place) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `hfxbus-${place}-`));
  try {
    const archive = path.join(folder, 'commit.tar');
    await succeed('git', ['archive', '--output', archive, 'HEAD'], { show: false });
    await succeed('tar', ['-xf', archive, '-C', folder], { show: false });
    fs.mkdirSync(path.join(folder, CACHE), { recursive: true });
    const names = fs.existsSync(path.join(ROOT, CACHE)) ? fs.readdirSync(path.join(ROOT, CACHE)) : [];
    for (const name of names.filter((one) => TOOLS.test(one))) {
      fs.symlinkSync(path.join(ROOT, CACHE, name), path.join(folder, CACHE, name));
    }
    const args = [path.join(folder, 'scripts', 'package.js'), TARGET];
    await step(`${TARGET} in ${folder}`, () => succeed(process.execPath, args, { cwd: folder, show: false }));
    return createHash('sha256')
      .update(fs.readFileSync(path.join(folder, BINARY)))
      .digest('hex');
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

module.exports = { compareBuilds };
