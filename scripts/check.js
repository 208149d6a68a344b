'use strict';

const { buildAddon } = require('./addon.js');
const { bin, succeed } = require('./command.js');
const commands = require('./generate-commands.js');
const dashboard = require('./generate-dashboard.js');
const platforms = require('./generate-platforms.js');
const { linkSelf } = require('./packages.js');
const { exists } = require('./program.js');
const { HELP, findProgram } = require('./redis-program.js');
const { say, step } = require('./say.js');
const { ENGINE, NODE, runSuite } = require('./suites.js');
const counts = require('./counts.js');

const GENERATED = ['native.js', 'native.d.ts', ...commands.GENERATED, platforms.FOLDER, dashboard.FOLDER];

const cargo = (...args) => succeed('cargo', args);
const clippy = (...features) => cargo('clippy', '--quiet', '--all-targets', ...features, '--', '-D', 'warnings');

/** Checks, cheap ones first. A failed check that is `needed` ends the run. */
const CHECKS = [
  { name: 'tools', needed: true, run: findTools },
  { name: 'rustfmt', run: () => cargo('fmt', '--check') },
  { name: 'biome', run: () => succeed(process.execPath, [bin('@biomejs/biome'), 'check', '--error-on-warnings']) },
  { name: 'build', needed: true, run: buildAddon },
  { name: 'generated files', run: compareGenerated },
  { name: 'clippy', run: () => clippy() },
  { name: 'clippy without Node', run: () => clippy('--no-default-features', '--features', 'simulation') },
];

/** Tests. */
const SUITES = [ENGINE, NODE];

/** Runs everything there is, whatever fails; resolves with the exit code. Prints how many tests passed and failed. */
async function check() {
  const start = Date.now();
  let total = counts.NONE;
  const failed = [];
  const attempt = (name, action) =>
    step(`check: ${name}`, action).catch((error) => {
      say(`check: ${name}: ${error.message}`);
      failed.push(name);
    });
  for (const { name, needed, run: act } of CHECKS) {
    await attempt(name, act);
    if (needed && failed.includes(name)) break;
  }
  for (const suite of failed.some(isNeeded) ? [] : SUITES) {
    await attempt(suite.name, async () => {
      const { counted, failure } = await runSuite(suite);
      if (counted !== null) total = counts.add(total, counted);
      if (failure) throw new Error(failure);
    });
  }
  say(`check: ${failed.length > 0 ? `failed: ${failed.join(', ')}` : 'fine'}, ${seconds(start)} s`);
  console.log(counts.format(total));
  return failed.length > 0 ? 1 : 0;
}

function isNeeded(name) {
  return CHECKS.some((one) => one.needed && one.name === name);
}

/** Requires programs that this script cannot install, and provides the server program of the tests. */
function findTools() {
  for (const tool of ['fmt', 'clippy']) {
    if (!exists('cargo', [tool, '--version']))
      throw new Error(`cargo ${tool} is missing: rustup component add ${tool}`);
  }
  const program = findProgram();
  if (!program) throw new Error(HELP);
  process.env.REDIS_SERVER = program;
  linkSelf();
}

/** Compares generated files, from the build, the commands and the targets, with those in git. */
async function compareGenerated() {
  commands.generateCommands();
  platforms.generatePlatforms();
  dashboard.generateDashboard();
  await succeed('git', ['diff', '--exit-code', '--', ...GENERATED]).catch(() => {
    throw new Error(`commit what was written anew: ${GENERATED.join(', ')}`);
  });
}

function seconds(start) {
  return ((Date.now() - start) / 1000).toFixed(0);
}

module.exports = { check };

if (require.main === module) check().then((code) => process.exit(code));
