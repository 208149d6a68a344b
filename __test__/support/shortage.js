'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

let library = null;

/**
 * The environment of a process whose system is short of something: of answers to the names that end in `.silent`, which
 * take `silence` ms, and of threads as long as the process itself sets HFXBUS_NO_THREADS. Linux, with a C compiler.
 */
function shortage({ silence = 0 } = {}) {
  library ??= compile();
  return { LD_PRELOAD: library, HFXBUS_SILENCE: String(silence) };
}

function compile() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-shortage-'));
  const file = path.join(folder, 'shortage.so');
  execFileSync('cc', ['-shared', '-fPIC', '-O2', '-o', file, path.join(__dirname, 'shortage.c'), '-ldl']);
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  return file;
}

module.exports = { shortage };
