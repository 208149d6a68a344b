'use strict';

const { HELP, findProgram } = require('./redis-program.js');
const { provide } = require('./system-package.js');

/** Resolves with the program of the server, and installs it first if there is none. */
function provideProgram() {
  return provide({ title: 'Redis', find: findProgram, help: HELP, debian: 'redis-server', brew: 'redis' });
}

module.exports = { provideProgram };
