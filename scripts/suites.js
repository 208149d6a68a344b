'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ROOT, run } = require('./command.js');
const counts = require('./counts.js');

/** Folders of `__test__` with tests for Node that talk to a server; `support` has no tests. */
const WITH_SERVER = ['compat', 'interop', 'api', 'topologies', 'faults', 'embedded', 'cli', 'dashboard'];
/** Those that are about what is shipped, and how fast it is; `engine` has tests for cargo. */
const OTHERS = ['types', 'package', 'bench'];
/** Tests of the NestJS transport. Nest 12 is an ES module, which Node before 20.19 cannot require. */
const WITH_NEST = process.features.require_module ? ['nestjs'] : [];

/** Number of files that run at once. Most tests wait for a timer or a server, so it is one more than the cores of a CI machine. */
const FILES_AT_ONCE = '3';

/** Test suites, on the server of REDIS_SERVER. */
const ENGINE = { name: 'engine tests', run: runCargo };
const NODE = { name: 'Node tests', run: () => runNode([...WITH_SERVER, ...WITH_NEST, ...OTHERS]) };
const LONG = { name: 'long tests', run: () => runNode([...WITH_SERVER, ...OTHERS], {}, isLong) };
const NODE_WITH_SERVER = { name: 'Node tests', run: () => runNode(WITH_SERVER) };

/** Runs a suite; `counted` is null for a runner that has no stable way to say how many tests ran. */
async function runSuite({ run: act }) {
  const { code, counted } = await act();
  if (counted === null) return { counted, failure: code === 0 ? null : `ended with code ${code}` };
  if (counted.passed + counted.failed === 0) return { counted, failure: 'no test ran' };
  return { counted, failure: code !== 0 || counted.failed > 0 ? counts.format(counted) : null };
}

/** Runs the tests for cargo; resolves with the exit code. */
async function runCargo() {
  const { code } = await run('cargo', ['test', '--quiet', '--no-default-features', '--features', 'simulation']);
  return { code, counted: null };
}

/** Runs the chosen tests for Node in some folders; resolves with the exit code and with the counts of `count-reporter.js`. */
async function runNode(folders, variables = {}, isChosen = isShort) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-tests-'));
  const file = path.join(folder, 'counts.json');
  const reporters = [
    ['spec', 'stdout'],
    [path.join(__dirname, 'count-reporter.js'), file],
  ].flatMap(([name, to]) => ['--test-reporter', name, '--test-reporter-destination', to]);
  // Older ones decide on it by themselves.
  const concurrency = hasConcurrency(process.versions.node) ? ['--test-concurrency', FILES_AT_ONCE] : [];
  const files = folders.flatMap((name) => testsIn(path.join('__test__', name))).filter(isChosen);
  try {
    const args = ['--expose-gc', '--test', ...concurrency, ...reporters, ...files];
    const { code } = await run(process.execPath, args, { env: { ...process.env, ...variables } });
    return { code, counted: fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : counts.NONE };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Node 18 knows no patterns for files. */
function testsIn(folder) {
  const names = fs.existsSync(path.join(ROOT, folder)) ? fs.readdirSync(path.join(ROOT, folder)) : [];
  return names.filter((name) => name.endsWith('.test.js')).map((name) => path.join(folder, name));
}

/** Files of `npm run test:long`. */
function isLong(file) {
  return file.endsWith('.long.test.js');
}

function isShort(file) {
  return !isLong(file);
}

function hasConcurrency(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > 20 || (major === 20 && minor >= 10);
}

module.exports = { ENGINE, LONG, NODE, NODE_WITH_SERVER, runNode, runSuite };
