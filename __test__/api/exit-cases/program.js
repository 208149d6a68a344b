'use strict';

/* Runs one of the cases, in this process or in a thread of its own, which is the only thing that the process waits for. */

const fs = require('node:fs');
const { isMainThread, Worker, workerData } = require('node:worker_threads');
const { encode } = require('../../support/resp.js');
const { CASES, OF_PROCESS, stage } = require('./cases.js');

/** Exit code that the process or the thread must have. */
const CODE = 7;

function print(...values) {
  fs.writeSync(3, `${JSON.stringify(values)}\n`);
}

/** Sends a command to Redis, in time even if this process ends right after. */
function teller({ port }) {
  return (...words) => require('node:net').connect(port, '127.0.0.1').unref().write(encode(words));
}

async function runCase({ name, file, testing, options }) {
  let isExiting = false;
  const exit = () => {
    // An exit handler that calls this again is not the first to do so.
    if (!isExiting) print('exit');
    isExiting = true;
    process.exit(CODE);
  };
  const bus = require(file);
  const given = { bus, options, exit, tell: teller(options), testing: require(testing) };
  await { ...CASES, ...OF_PROCESS }[name](given, stage(given));
}

function run(data) {
  if (!data.inThread) return runCase(data);
  const thread = new Worker(__filename, { workerData: data });
  thread.on('exit', (code) => {
    print('thread', code);
    process.exitCode = code;
  });
}

if (!isMainThread) runCase(workerData);

module.exports = { CODE, run };
