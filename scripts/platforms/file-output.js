'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { end, start } = require('../command.js');

/**
 * Runs a program with its output in a file: in Wine a program of Node cannot write to a pipe of Linux.
 *
 * @param {{ env: object, cwd?: string, patience?: number }} options `patience` is the maximum time, in ms
 * @returns {Promise<{ code: number, output: string }>} code 1 if it was ended after that time
 */
async function runIntoFile(file, args, { patience = 120_000, ...options }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-output-'));
  const name = path.join(folder, 'output');
  const output = fs.openSync(name, 'w');
  try {
    const child = start(file, args, { ...options, stdio: ['ignore', output, output] });
    const timer = setTimeout(() => end(child), patience);
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (status) => resolve(status ?? 1));
    });
    clearTimeout(timer);
    return { code, output: fs.readFileSync(name, 'utf8') };
  } finally {
    fs.closeSync(output);
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

module.exports = { runIntoFile };
