'use strict';

const { parseArgs } = require('node:util');
const { EmbeddedRedis } = require('../../testing.js');

/*
 * The embedded server as a program, so that tests can kill and freeze it as they do a real one. It takes what it can
 * do of redis-server's arguments, and ends at once with any other.
 */
const { values } = parseArgs({ options: { port: { type: 'string' }, requirepass: { type: 'string' } } });

EmbeddedRedis.start({ port: values.port, password: values.requirepass }).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
