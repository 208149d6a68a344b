'use strict';

const { provideAddon } = require('./addon.js');
const { linkSelf } = require('./packages.js');
const { HELP, findProgram } = require('./redis-program.js');
const { ROOT, run } = require('./command.js');
const { say, step } = require('./say.js');
const { runNode } = require('./suites.js');
const { format } = require('./counts.js');

/** Tests that apply to any Redis, for both packages, including those of claiming. */
const CONFORMANCE = ['compat', 'api'];
const SERVERS = [
  { name: 'the embedded server', variables: { HFXBUS_TEST_SERVER: 'embedded' } },
  { name: 'the real server', variables: { HFXBUS_TEST_SERVER: '' } },
];
const COMMANDS = 100_000;

/**
 * Runs the same tests on the embedded server and on a real one, then sends both the same commands; resolves with the
 * exit code.
 *
 * @param {string[]} chosen parts of servers' names, or `differential`; without any it is all
 */
async function testEmbedded(chosen) {
  const wants = (name) => chosen.length === 0 || chosen.some((part) => name.includes(part));
  if (!findProgram()) throw new Error(HELP);
  linkSelf();
  await provideAddon();
  const lines = [];
  let isFine = true;
  for (const { name, variables } of SERVERS.filter(({ name }) => wants(name))) {
    const { code, counted } = await step(name, () => runNode(CONFORMANCE, variables));
    lines.push(`${code === 0 ? 'fine' : 'FAILED'}: ${name}: ${summary(counted)}`);
    isFine &&= code === 0;
  }
  if (wants('differential')) {
    const { code, output } = await step('differential', differential);
    lines.push(`${code === 0 ? 'fine' : 'FAILED'}: differential: ${output.trim().split('\n').at(-1)}`);
    isFine &&= code === 0;
  }
  for (const line of lines) say(line);
  return isFine ? 0 : 1;
}

function differential() {
  const script = '__test__/embedded/differential/run.js';
  return run(process.execPath, [script, '--commands', `${COMMANDS}`], { cwd: ROOT });
}

/** The counts of tests, those of each package, and the cases that the server cannot have. */
function summary({ bySubject = {}, leftOut = 0, ...counted }) {
  const packages = `${bySubject['2.2.0'] ?? 0} of them with 2.2.0, ${bySubject.ours ?? 0} with this package`;
  return `${format(counted)}, ${packages}, ${leftOut} left out`;
}

testEmbedded(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
