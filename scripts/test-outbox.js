'use strict';

const { provideAddon } = require('./addon.js');
const { format } = require('./counts.js');
const { linkSelf } = require('./packages.js');
const { providePostgres } = require('./postgres-installation.js');
const { provideProgram } = require('./redis-installation.js');
const { runNode } = require('./suites.js');

/** Runs the tests of the transactional outbox, on a PostgreSQL and a Redis that they start, kill and restart. */
async function testOutbox() {
  await provideProgram();
  const folder = await providePostgres();
  linkSelf();
  await provideAddon();
  const { code, counted } = await runNode(['outbox'], { POSTGRES_BIN: folder });
  console.log(format(counted));
  return counted.passed === 0 ? 1 : code;
}

testOutbox().then(
  (code) => process.exit(code),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
