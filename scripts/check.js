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

/** What every other check needs. */
const TOOLS = { name: 'tools', run: findTools };
/** Checks of the sources, cheap ones first. */
const SOURCES = [
  { name: 'rustfmt', run: () => cargo('fmt', '--check') },
  { name: 'biome', run: () => succeed(process.execPath, [bin('@biomejs/biome'), 'check', '--error-on-warnings']) },
  { name: 'clippy', run: () => clippy() },
  { name: 'clippy without Node', run: () => clippy('--no-default-features', '--features', 'simulation') },
  suiteCheck(ENGINE),
];
/** The build, which leaves a core idle for most of its time, so that the sources are checked beside it. */
const BUILD = { name: 'build', run: buildAddon };
/** Checks of what was built. */
const BUILT = [{ name: 'generated files', run: compareGenerated }, suiteCheck(NODE)];

/** Runs everything there is, whatever fails; resolves with the exit code. Prints how many tests passed and failed. */
async function check() {
  const start = Date.now();
  const outcome = { total: counts.NONE, failed: [] };
  if (await attempt(TOOLS, outcome)) {
    const [isBuilt] = await Promise.all([attempt(BUILD, outcome), attemptAll(SOURCES, outcome)]);
    if (isBuilt) await attemptAll(BUILT, outcome);
  }
  const { total, failed } = outcome;
  say(`check: ${failed.length > 0 ? `failed: ${failed.join(', ')}` : 'fine'}, ${seconds(start)} s`);
  console.log(counts.format(total));
  return failed.length > 0 ? 1 : 0;
}

/** Runs checks one after the other, whatever fails. */
async function attemptAll(checks, outcome) {
  for (const one of checks) await attempt(one, outcome);
}

/** Runs a check, and notes its failure. @returns {Promise<boolean>} true if it has passed */
async function attempt({ name, run: act }, outcome) {
  try {
    await step(`check: ${name}`, () => act(outcome));
    return true;
  } catch (error) {
    say(`check: ${name}: ${error.message}`);
    outcome.failed.push(name);
    return false;
  }
}

/** Returns the check that runs a suite, and adds its counts to those of the outcome. */
function suiteCheck(suite) {
  const act = async (outcome) => {
    const { counted, failure } = await runSuite(suite);
    if (counted !== null) outcome.total = counts.add(outcome.total, counted);
    if (failure) throw new Error(failure);
  };
  return { name: suite.name, run: act };
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
