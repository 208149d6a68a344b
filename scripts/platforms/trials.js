'use strict';

const fs = require('node:fs');
const path = require('node:path');
const esbuild = require('esbuild');
const { RedisServer } = require('../../__test__/support/redis-server.js');
const { blocksOf } = require('../../__test__/package/documents.js');
const { ROOT } = require('../command.js');
const counts = require('../counts.js');
const { say } = require('../say.js');
const { runIntoFile } = require('./file-output.js');
const { whyNot } = require('./selection.js');

/** Folders of tests that apply to any platform. */
const FOLDERS = ['compat', 'api'];
/** Maximum time of one file of tests in an emulator, in ms. */
const PATIENCE = 300_000;

/** Trials of an installed package in a guest. Each rejects on a failure, and resolves with words for the table. */
const TRIALS = [
  { name: 'quick start', run: quickStart },
  { name: '2,000 jobs, Redis', run: (guest, place) => roundTrips(guest, place, 'redis', /^stopped$/m) },
  { name: '2,000 jobs, embedded', run: (guest, place) => roundTrips(guest, place, 'embedded', /^stopped$/m) },
  { name: 'process.exit()', run: (guest, place) => roundTrips(guest, place, 'exits', /^exits$/m) },
];

/** Runs the first program of the README, and compares what it prints. */
async function quickStart(guest, { folder }) {
  const [{ code, language, prints }] = blocksOf('README.md');
  fs.writeFileSync(path.join(folder, 'quick-start.mjs'), esbuild.transformSync(code, { loader: language }).code);
  const output = await withRedis((url) =>
    runGuest(guest, ['quick-start.mjs'], { cwd: folder, env: { REDIS_URL: url } }),
  );
  if (!prints.every((line) => output.includes(line))) throw new Error(`it printed:\n${output}`);
  return 'fine';
}

async function roundTrips(guest, { folder }, mode, expected) {
  const output = await withRedis((url) =>
    runGuest(guest, ['round-trips.js', mode], { cwd: folder, env: { REDIS_URL: url } }),
  );
  if (!expected.test(output)) throw new Error(`it printed:\n${output}`);
  return /in (\d+ ms)/.exec(output)[1];
}

async function withRedis(action) {
  const redis = await RedisServer.start();
  try {
    return await action(`redis://127.0.0.1:${redis.port}`);
  } finally {
    redis.kill();
  }
}

async function runGuest({ file, args, env }, more, options) {
  const all = { ...process.env, ...env, ...options.env };
  const start = () => runIntoFile(file, [...args, ...more], { ...options, env: all });
  const first = await start();
  // Wine has lost the whole output of a program once in forty runs.
  const { code, output } = first.code === 0 && first.output === '' ? await start() : first;
  if (code !== 0) throw new Error(`it ended with code ${code}:\n${output}`);
  return output;
}

/**
 * Runs the tests of compat and api with a platform's addon, each file in a process of its own.
 *
 * @returns {Promise<{ passed: number, failed: number, skipped: number, leftOut: number }>}
 */
async function runTests(guest, { folder, addon }, chosen) {
  const { name } = guest;
  let total = { ...counts.NONE, leftOut: 0 };
  for (const file of FOLDERS.flatMap(testsIn).filter(
    (one) => chosen.length === 0 || chosen.some((part) => one.includes(part)),
  )) {
    if (whyNot(guest, file)) {
      total.leftOut++;
      continue;
    }
    const { counted, output } = await runTwice(() => runTest(guest, file, folder, addon));
    if (counted.failed > 0) say(`${name}: ${file}: ${counts.format(counted)}\n${failures(output)}`);
    total = { ...counts.add(total, counted), leftOut: total.leftOut };
  }
  return total;
}

/** Runs a file of tests again if it fails: limits of time are for machines, and an emulator is ten times as slow. */
async function runTwice(act) {
  const first = await act();
  return first.counted.failed === 0 ? first : act();
}

async function runTest(guest, file, folder, addon) {
  const destination = path.join(folder, 'counts.json');
  fs.rmSync(destination, { force: true });
  const reporters = [
    ['tap', 'stdout'],
    [path.join(ROOT, 'scripts', 'count-reporter.js'), destination],
  ].flatMap(([reporter, to]) => ['--test-reporter', reporter, '--test-reporter-destination', to]);
  const env = {
    ...process.env,
    ...guest.env,
    NAPI_RS_NATIVE_LIBRARY_PATH: addon,
    HFXBUS_SUBJECT: 'ours',
    ...(guest.embedded && { HFXBUS_TEST_SERVER: 'embedded' }),
  };
  const args = [...guest.args, ...(guest.flags ?? []), '--expose-gc', ...reporters, file];
  const { code, output } = await runIntoFile(guest.file, args, { cwd: ROOT, env, patience: PATIENCE });
  const counted = fs.existsSync(destination) ? readCounts(destination) : counts.NONE;
  // A file that ends without a report, or with a code but without a failed test, counts as one failure.
  const isBroken = counted.passed + counted.failed === 0 || (code !== 0 && counted.failed === 0);
  return { counted: isBroken ? { ...counted, failed: counted.failed + 1 } : counted, output };
}

function readCounts(file) {
  const text = fs.readFileSync(file, 'utf8').trim();
  return text ? JSON.parse(text) : counts.NONE;
}

/** Returns the failed tests of a report, or the end of it. */
function failures(output) {
  const failed = output.split('\n').filter((line) => /^\s*not ok /.test(line));
  return failed.length > 0 ? failed.join('\n') : output.slice(-2000);
}

function testsIn(folder) {
  const names = fs.readdirSync(path.join(ROOT, '__test__', folder)).filter((name) => name.endsWith('.test.js'));
  return names.map((name) => path.posix.join('__test__', folder, name));
}

module.exports = { TRIALS, runTests };
