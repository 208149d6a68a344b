'use strict';

const { provideAddon } = require('./addon.js');
const { provideBrowser } = require('./browser-installation.js');
const { linkSelf } = require('./packages.js');
const { provideProgram } = require('./redis-installation.js');
const { runNode } = require('./suites.js');
const { format } = require('./counts.js');

/** Runs the tests of the dashboard: in a browser, with the frameworks of its document, and those of `npm test`. */
async function testDashboard() {
  await provideProgram();
  await provideBrowser();
  linkSelf();
  await provideAddon();
  const { code, counted } = await runNode(['dashboard', 'dashboard/browser']);
  console.log(format(counted));
  return code;
}

testDashboard().then(
  (code) => process.exit(code),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
