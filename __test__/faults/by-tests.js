'use strict';

const { spawn } = require('node:child_process');
const path = require('node:path');

const REPORTER = path.resolve(__dirname, '..', '..', 'scripts', 'count-reporter.js');

const ROOT = path.resolve(__dirname, '..', '..');

/** A fault that tests of other folders bring about: they are its figures. */
function byTests(id, title, ...files) {
  return { id, title, run: (trial) => runTests(trial, files) };
}

async function runTests(trial, files) {
  const args = ['--expose-gc', '--test', '--test-reporter', REPORTER, ...files];
  const env = { ...process.env, HFXBUS_SUBJECT: 'ours' };
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] });
  trial.closing(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const { passed, failed } = JSON.parse(output);
  trial.mark('every test passes', code === 0 && passed > 0);
  return trial.report({ tests: passed + failed, failed });
}

module.exports = [
  byTests('F7', 'Sentinel failover', '__test__/topologies/sentinel-failover.test.js'),
  byTests('F9', 'a node that is away, and one that flaps (F10)', '__test__/api/eject.test.js'),
  byTests('F15', 'users with few rights', '__test__/topologies/acl.test.js'),
  byTests('F16', 'TLS that is refused, certificates that are renewed', '__test__/topologies/tls.test.js'),
  byTests('F23', 'worker threads, exits, contexts', '__test__/api/worker-threads.test.js'),
];
