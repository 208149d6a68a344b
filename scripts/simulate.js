'use strict';

const { run } = require('./command.js');

/** Arguments of cargo for the simulation, optimized for many seeds. */
const CARGO = ['test', '--quiet', '--profile', 'simulation', '--no-default-features', '--features', 'simulation'];

/** Runs simulated runs of the engine: see docs/testing.md. */
async function simulate(words) {
  const { code } = await run('cargo', [...CARGO, '--test', 'simulation', '--', ...words]);
  return code;
}

simulate(process.argv.slice(2)).then((code) => process.exit(code));
