'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, succeed } = require('../command.js');
const { exists } = require('../program.js');
const { step } = require('../say.js');

/** A linker that knows the symbols of old C libraries, and what makes cargo use it. Both come from PyPI. */
const ZIGBUILD = '0.24.1';
const ZIG = '0.15.2';

/** Folder of downloads and builds, which git ignores. */
const CACHE = path.join(ROOT, '.cache', 'package');

/** The variables with which `cargo zigbuild` runs; it is installed if it is not there. */
async function provideZig() {
  const folder = path.join(CACHE, `zigbuild-${ZIGBUILD}-zig-${ZIG}`);
  const bin = path.join(folder, 'bin');
  const zigbuild = path.join(bin, 'cargo-zigbuild');
  if (!exists(zigbuild)) await step(`cargo-zigbuild ${ZIGBUILD}, zig ${ZIG}: installing`, () => install(folder));
  return {
    PATH: [bin, process.env.PATH].join(path.delimiter),
    CARGO_ZIGBUILD_CACHE_DIR: path.join(CACHE, 'zigbuild'),
    ZIG_GLOBAL_CACHE_DIR: path.join(CACHE, 'zig'),
    ZIG_LOCAL_CACHE_DIR: path.join(CACHE, 'zig'),
  };
}

async function install(folder) {
  if (!exists('python3', ['-m', 'venv', '--help'])) throw new Error('python3 with venv is missing');
  fs.rmSync(folder, { recursive: true, force: true });
  await succeed('python3', ['-m', 'venv', folder], { show: false });
  const pip = ['-m', 'pip', 'install', '--quiet', `cargo-zigbuild==${ZIGBUILD}`, `ziglang==${ZIG}`];
  await succeed(path.join(folder, 'bin', 'python'), pip, { show: false });
}

module.exports = { CACHE, provideZig };
