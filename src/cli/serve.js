'use strict';

const { parseArgs } = require('node:util');
const { EmbeddedRedis } = require('../facade/api/embedded-redis.js');
const { shutdownSignal } = require('./shutdown-signal.js');
const { UsageError } = require('./usage-error.js');

const PORT = '6379';

const HELP = `Usage: hfxbus serve [--port <n>] [--password <text>]

Runs a Redis for development on 127.0.0.1 until SIGINT (Ctrl-C) or SIGTERM.

  --port <n>         port to listen on; 0 for any free port. Default ${PORT}
  --password <text>  password that clients must send. Default none`;

const OPTIONS = { port: { type: 'string', default: PORT }, password: { type: 'string' } };

/** Serves until SIGINT or SIGTERM. @returns {Promise<number>} the exit code */
async function run(args) {
  const redis = await EmbeddedRedis.start(options(args));
  // Handlers come before the output: its reader can send a signal at once.
  const ending = shutdownSignal();
  console.log(`Redis for development: redis://127.0.0.1:${redis.port}`);
  console.log('Not for production: everything is in the memory of this process, and gone with it.');
  await ending;
  await redis.stop();
  return 0;
}

function options(args) {
  try {
    // The message does not repeat the argument, which can be a password.
    const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
    if (positionals.length > 0) throw new Error('serve takes options only');
    const port = Number(values.port);
    if (!/^\d+$/.test(values.port) || port > 65535) throw new Error('--port must be a whole number from 0 to 65535');
    return { port, password: values.password };
  } catch (error) {
    throw new UsageError(error.message, HELP);
  }
}

module.exports = { HELP, run };
