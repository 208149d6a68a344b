'use strict';

const { provideAddon } = require('./addon.js');
const counts = require('./counts.js');
const { linkSelf } = require('./packages.js');
const { provideProgram } = require('./redis-installation.js');
const { say } = require('./say.js');
const { LONG, runSuite } = require('./suites.js');

/** Runs the tests that are too long for `npm test`. */
async function testLong() {
  await provideProgram();
  linkSelf();
  await provideAddon();
  const { counted, failure } = await runSuite(LONG);
  say(`${LONG.name}: ${failure ?? counts.format(counted)}`);
  return failure ? 1 : 0;
}

testLong().then(
  (code) => process.exit(code),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
