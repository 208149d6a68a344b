#!/usr/bin/env node
'use strict';

const { UsageError } = require('./usage-error.js');

/** Files of the verbs, loaded on use. */
const VERBS = {
  doctor: () => require('./doctor.js'),
  inspect: () => require('./inspect.js'),
  why: () => require('./why.js'),
  'dead-letters': () => require('./dead-letters.js'),
  dead: () => require('./dead-letters.js'),
  export: () => require('./export.js'),
  replay: () => require('./replay.js'),
  watch: () => require('./watch.js'),
  dashboard: () => require('./dashboard.js'),
  serve: () => require('./serve.js'),
};

const HELP = `Usage: hfxbus <verb> [options]

  doctor        checks Redis, the permissions of the user, and groups for stuck entries
  inspect       shows streams and their groups: length, lag, pending entries
  why           shows the entries, states and payload keys of a job
  dead-letters  lists, replays or drops dead letters (alias: dead)
  export        writes the entries of a stream as NDJSON
  replay        sets a group to an earlier or later point of a stream
  watch         shows the rates of streams and groups, every second
  dashboard     serves a page with all of it, on this machine
  serve         runs a Redis in this process, for development: no installation, no files

hfxbus <verb> --help shows the options of a verb.`;

/** @returns {Promise<number>} the exit code: 0 for success, 1 for failure, 2 for invalid arguments */
async function main([name, ...args]) {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(HELP);
    return name === undefined ? 2 : 0;
  }
  // The message does not repeat the URL, since it can hold a password.
  if (name.includes('://')) throw new UsageError('a URL must follow --url, and --url must follow a verb', HELP);
  if (!Object.hasOwn(VERBS, name)) throw new UsageError(`there is no verb '${name}'`, HELP);
  const verb = VERBS[name]();
  if (args.includes('--help') || args.includes('-h')) {
    console.log(verb.HELP);
    return 0;
  }
  return verb.run(args);
}

// EPIPE is ignored: the reader (for example `head`) has closed the pipe, and `watch` ends by itself.
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
