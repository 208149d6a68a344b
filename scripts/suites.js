'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, run } = require('./command.js');
const tally = require('./tally.js');

/** Folders of `__test__` with tests for Node that talk to a server; `support` has no tests. */
const WITH_SERVER = ['compat', 'interop', 'api', 'topologies', 'faults', 'embedded', 'cli'];
/** Those that are about what is shipped, and how fast it is; `engine` has tests for cargo. */
const OTHERS = ['types', 'package', 'bench'];

/** What is tested, on the server that REDIS_SERVER says. */
const ENGINE = {
  name: 'engine tests',
  runner: 'cargo',
  run: () => run('cargo', ['test', '--quiet', '--no-default-features']),
};
const NODE = { name: 'Node tests', runner: 'node', run: () => runNode([...WITH_SERVER, ...OTHERS]) };
const NODE_WITH_SERVER = { name: 'Node tests', runner: 'node', run: () => runNode(WITH_SERVER) };

/** Runs a suite and counts; a runner that ran no test has failed. */
async function runSuite({ runner, run: act }) {
  const { code, output } = await act();
  const counted = tally.count(runner, output);
  if (counted.passed + counted.failed === 0) return { counted, failure: 'no test ran' };
  return { counted, failure: code !== 0 || counted.failed > 0 ? tally.format(counted) : null };
}

/** Runs the tests for Node in some folders; resolves with the exit code and what was printed. */
function runNode(folders, variables = {}) {
  const files = folders.flatMap((folder) => testsIn(path.join('__test__', folder)));
  const args = ['--expose-gc', '--test', '--test-reporter', 'spec', ...files];
  // Older ones decide on it by themselves.
  if (hasConcurrency(process.versions.node)) args.splice(2, 0, '--test-concurrency', '2');
  return run(process.execPath, args, { env: { ...process.env, ...variables } });
}

/** Node 18 knows no patterns for files. */
function testsIn(folder) {
  const names = fs.existsSync(path.join(ROOT, folder)) ? fs.readdirSync(path.join(ROOT, folder)) : [];
  return names.filter((name) => name.endsWith('.test.js')).map((name) => path.join(folder, name));
}

function hasConcurrency(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > 20 || (major === 20 && minor >= 10);
}

module.exports = { ENGINE, NODE, NODE_WITH_SERVER, runNode, runSuite };
