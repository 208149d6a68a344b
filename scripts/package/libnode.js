'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { CACHE } = require('./zig.js');

const FOLDER = path.join(CACHE, 'libnode');
/** An archive without members, under each name by which a linker searches for it. */
const EMPTY_ARCHIVE = '!<arch>\n';
const ARCHIVES = ['libnode.dll.a', 'libnode.a', 'node.lib'];

/**
 * Returns the variable by which the build script of the crate napi finds an import library of Node for mingw. The library is
 * empty: with the feature `dyn-symbols` the addon finds the functions in the program that loads it. An import by name would
 * bind it to `node.exe`, and Electron has another name.
 */
function provideEmptyLibnode() {
  fs.mkdirSync(FOLDER, { recursive: true });
  for (const name of ARCHIVES) fs.writeFileSync(path.join(FOLDER, name), EMPTY_ARCHIVE);
  fs.writeFileSync(path.join(FOLDER, 'libnode.dll'), '');
  return { LIBNODE_PATH: FOLDER };
}

module.exports = { provideEmptyLibnode };
