#!/usr/bin/env node
'use strict';

const { UsageError } = require('./usage-error.js');

/** Each verb is a file, read when it is called. */
const VERBS = {
  doctor: () => require('./doctor.js'),
  inspect: () => require('./inspect.js'),
  why: () => require('./why.js'),
  dead: () => require('./dead.js'),
  watch: () => require('./watch.js'),
  serve: () => require('./serve.js'),
};

const HELP = `Usage: hfxbus <verb> [options]

  doctor   whether Redis is fit for a bus, what the user may do, which groups are stuck
  inspect  streams and their groups: length, lag, what is pending
  why      what has become of a job
  dead     dead letters: list, replay, drop
  watch    what happens in each second
  serve    a Redis in this process, for development: nothing to install, nothing on disk

hfxbus <verb> --help says more.`;

/** @returns {Promise<number>} the exit code: 0 for success, 1 for failure, 2 for what cannot be understood */
async function main([name, ...args]) {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(HELP);
    return name === undefined ? 2 : 0;
  }
  // It is not repeated, since it may hold a password.
  if (name.includes('://')) throw new UsageError('a URL belongs behind --url, and that behind a verb', HELP);
  if (!Object.hasOwn(VERBS, name)) throw new UsageError(`there is no verb '${name}'`, HELP);
  const verb = VERBS[name]();
  if (args.includes('--help') || args.includes('-h')) {
    console.log(verb.HELP);
    return 0;
  }
  return verb.run(args);
}

// Who reads has read enough, as `| head` does; what goes on only to be read ends by itself then.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
});

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    if (error instanceof UsageError) console.error(`\n${error.help}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
