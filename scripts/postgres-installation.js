'use strict';

const { HELP, findPostgres } = require('./postgres-program.js');
const { provide } = require('./system-package.js');

/** Resolves with the folder of the server's programs, and installs them first if there are none. */
function providePostgres() {
  return provide({ title: 'PostgreSQL', find: findPostgres, help: HELP, debian: 'postgresql' });
}

module.exports = { providePostgres };
