'use strict';

const { provideBrowser } = require('./browser-installation.js');
const { check } = require('./check.js');
const { installPackages } = require('./packages.js');
const { provideProgram } = require('./redis-installation.js');

/** From a fresh clone to everything checked and tested. */
async function test() {
  await installPackages();
  await provideProgram();
  await provideBrowser();
  return check();
}

test().then(
  (code) => process.exit(code),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
