'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { run, runNpm } = require('../command.js');
const { provideZig } = require('../package/zig.js');
const { CACHE } = require('./wheels.js');

/** The list of Node-API's functions by the project of Node. */
const HEADERS = 'node-api-headers@1.9.0';
/** Words of a list in Apple's format, symbols among them. */
const NAME = /[\w$.]+/g;

/** Returns the functions that Node provides, with the underscore that macOS puts before each name. */
async function nodeFunctions() {
  const folder = path.join(CACHE, 'headers');
  const file = path.join(folder, 'node_modules', 'node-api-headers', 'index.js');
  if (!fs.existsSync(file)) {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
    await runNpm(['install', '--no-audit', '--no-fund', '--ignore-scripts', HEADERS], { cwd: folder, show: false });
  }
  const versions = Object.values(require(file).symbols);
  return versions.flatMap((one) => [...one.js_native_api_symbols, ...one.node_api_symbols]).map((name) => `_${name}`);
}

/** Returns the symbols of libSystem, from the list that zig links with. */
async function systemFunctions() {
  const python = path.join((await provideZig()).PATH.split(path.delimiter)[0], 'python');
  const program = 'import os, ziglang; print(os.path.dirname(ziglang.__file__))';
  const { output } = await run(python, ['-c', program], { show: false });
  const folder = output.trim();
  const list = fs.readFileSync(path.join(folder, 'lib', 'libc', 'darwin', 'libSystem.tbd'), 'utf8');
  return list.match(NAME);
}

module.exports = { nodeFunctions, systemFunctions };
