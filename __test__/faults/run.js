'use strict';

const fs = require('node:fs');
const os = require('node:os');
const { version } = require('../../package.json');
const { RedisServer } = require('../support/redis-server.js');
const { USAGE, readArguments } = require('./arguments.js');
const { table } = require('./table.js');
const { Trial } = require('./trial.js');

/** Runs faults one after the other, says what came of them, and resolves with the exit code. */
async function main(args) {
  const { help, faults, subjects, size, seed, json } = readArguments(args);
  if (help) {
    console.log(USAGE);
    return 0;
  }
  const setting = { date: new Date().toISOString(), ...(await versions()), size, seed };
  console.log(`faults: size ${size}, seed ${seed}`);
  const results = [];
  for (const fault of faults) {
    for (const subject of subjects.filter(({ env }) => env === 'ours' || fault.original)) {
      const result = await attempt(fault, subject, { size, seed });
      results.push(result);
      console.log(`${fault.id} ${subject.name}: ${JSON.stringify(result)}`);
    }
  }
  console.log(table(results));
  if (json) fs.writeFileSync(json, `${JSON.stringify({ setting, results }, null, 2)}\n`);
  // Pass marks are for ours; what it is compared with only shows what it does.
  const missed = results.filter(({ subject, misses }) => subject === 'ours' && misses.length > 0);
  if (missed.length > 0) console.log(`missed with seed ${seed}: ${missed.map(({ id }) => id).join(' ')}`);
  return missed.length > 0 ? 1 : 0;
}

/** One fault on one subject. What goes wrong on the way is a miss too. */
async function attempt(fault, subject, given) {
  const trial = new Trial(subject, given);
  const started = performance.now();
  let report;
  try {
    report = await fault.run(trial);
  } catch (error) {
    report = trial.report();
    report.misses.push(`ended early: ${error.message}`);
  } finally {
    await trial.close();
  }
  const took = Math.round(performance.now() - started);
  return { id: fault.id, title: fault.title, subject: subject.name, took, ...report };
}

/** Returns the machine and the versions of the figures. */
async function versions() {
  const server = await RedisServer.start();
  const info = await server.call('INFO', 'server');
  server.kill();
  const [, redis] = /(?:redis|valkey)_version:(\S+)/.exec(info);
  const [{ model }] = os.cpus();
  return { hfxbus: version, redis, node: process.version, machine: `${os.cpus().length} × ${model}` };
}

module.exports = { attempt };

if (require.main === module) {
  main(process.argv.slice(2)).then(
    (code) => process.exit(code),
    (error) => {
      console.error(`faults: ${error.message}`);
      process.exit(2);
    },
  );
}
