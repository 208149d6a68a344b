'use strict';

const fs = require('node:fs');

/*
 * Run first in a Node that an emulator or another loader runs. Children are started by the script that started this one. The
 * host's ldd is hidden, as a system with musl has none of glibc's.
 */
const LDD = '/usr/bin/ldd';
const { readFileSync } = fs;

process.execPath = process.env.HFXBUS_GUEST;

fs.readFileSync = function readFile(file, ...rest) {
  return readFileSync.call(fs, file === LDD ? `${LDD}-of-the-host` : file, ...rest);
};
