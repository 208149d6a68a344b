'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('./command.js');
const { targets } = require('./package/targets.js');
const { GUESTS, whyNotRun } = require('./platforms/guests.js');
const { inspect, sizeOf } = require('./platforms/inspection.js');
const { install } = require('./platforms/installation.js');
const { formatTable } = require('./platforms/table.js');
const { TRIALS, runTests } = require('./platforms/trials.js');
const { endWine } = require('./platforms/wine.js');
const { HELP, findProgram } = require('./redis-program.js');
const { say, step } = require('./say.js');

const DIST = path.join(ROOT, 'dist');
/** Without this argument the tests of compat and api do not run. */
const TESTS = '--tests';

/**
 * Reads the addon of each platform that `npm run package` has packed, runs it where it can, and prints a table.
 *
 * @param {string[]} args names of platforms and parts of names of tests; without any it is all of them. `--tests` adds the
 *   tests of compat and api
 */
async function testPlatforms(args) {
  if (!findProgram()) throw new Error(HELP);
  const names = targets().map(({ name }) => name);
  const platforms = args.filter((one) => names.includes(one));
  const parts = args.filter((one) => one !== TESTS && !names.includes(one));
  const rows = [];
  for (const target of targets().filter(({ name }) => platforms.length === 0 || platforms.includes(name))) {
    rows.push(await step(target.name, () => tryPlatform(target, args.includes(TESTS) && parts)));
  }
  endWine();
  console.log(formatTable(rows, new Date()));
  return rows.some(({ problems }) => problems.length > 0) ? 1 : 0;
}

/** Reads and runs one platform; resolves with its row of the table. */
async function tryPlatform(target, parts) {
  const { name } = target;
  const tarballs = packed(name);
  if (!fs.existsSync(tarballs.platform)) return { name, problems: [], left: 'not packed: npm run package' };
  const place = await install(tarballs, name);
  const { facts, problems } = await inspect(target, place.addon);
  const row = { name, size: sizeOf(place.addon), facts, problems, trials: {} };
  const reason = whyNotRun(name);
  if (reason) row.left = `not run: ${reason}`;
  else await runIn(row, place, parts);
  place.remove();
  for (const problem of problems) say(`${name}: ${problem}`);
  return row;
}

async function runIn(row, place, parts) {
  const { where, provide, ...traits } = GUESTS[row.name];
  const guest = { name: row.name, ...traits, ...(await provide()) };
  row.where = where;
  for (const trial of TRIALS) {
    row.trials[trial.name] = await trial.run(guest, place).catch((error) => {
      row.problems.push(`${trial.name}: ${error.message}`);
      return 'FAILED';
    });
  }
  if (!parts) return;
  row.tests = await runTests(guest, place, parts);
  if (row.tests.failed > 0) row.problems.push(`${row.tests.failed} tests failed`);
}

/** The tarballs of the main package and of a platform. */
function packed(name) {
  const { version } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const [main, platform] = [`hfxbus-${version}.tgz`, `hfxbus-${name}-${version}.tgz`];
  return { main: path.join(DIST, main), platform: path.join(DIST, platform) };
}

testPlatforms(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
