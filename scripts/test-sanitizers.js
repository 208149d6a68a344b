'use strict';

const path = require('node:path');
const { ROOT, run } = require('./command.js');
const { exists } = require('./program.js');
const { HELP, findProgram } = require('./redis-program.js');
const { numberOption } = require('./number-option.js');
const { say, step } = require('./say.js');

const TARGET = 'x86_64-unknown-linux-gnu';
const NIGHTLY = 'rustup toolchain install nightly --component rust-src,miri';
const FUZZERS = ['codec', 'commands', 'completion', 'entries', 'requests'];
/** Default time of each fuzzer, in seconds. */
const SECONDS = 60;

/** Modules without sockets, threads and timers, which Miri executes. */
const PURE = [
  'redis_io::resp',
  'redis_io::glob',
  'redis_io::keys',
  'redis_io::streams',
  'redis_io::cluster::slot_map',
  'engine::protocol',
  'engine::runtime::budget',
  'engine::runtime::backoff',
  'engine::consumer::state',
  'embedded::protocol',
  'embedded::streams',
  'embedded::keyspace',
  'embedded::clients',
  'embedded::monitor',
];
/** Parts of the names of tests that take minutes in Miri. */
const LONG = ['depth', 'many_values', 'job_id', 'however_many_wait'];

/** What the tools do not see, and why. */
const EXCLUDED = [
  'src/binding in all tools: Node, whose memory and threads it uses, is built without sanitizers, and Miri has no C',
  'the assembly of ring in the sanitizers: it cannot be instrumented',
  'sockets, TLS, and runtimes in Miri: it has no assembly, and few system calls',
  'properties, random ids, replies of a million levels, entries of 100,000 values and 65,536 waiting ones in Miri: minutes each',
  'Waker and OnceLock of the standard library in the models: they count as correct',
];

const PARTS = [
  { name: 'models', run: models },
  { name: 'thread', nightly: true, run: () => sanitize('thread') },
  { name: 'address', nightly: true, run: () => sanitize('address') },
  { name: 'miri', nightly: true, run: miri },
  { name: 'fuzz', nightly: true, run: fuzz },
];

/**
 * Checks the Rust code with loom, the sanitizers for threads and addresses, Miri and the fuzzers; resolves with the exit code.
 *
 * @param {string[]} chosen names of parts; without any it is all
 * @param {number} seconds time of each fuzzer
 */
async function testSanitizers(chosen, seconds) {
  const unknown = chosen.find((name) => !PARTS.some((part) => part.name === name));
  if (unknown) throw new Error(`there is no part ${unknown}: ${PARTS.map(({ name }) => name).join(', ')}`);
  const wanted = PARTS.filter(({ name }) => chosen.length === 0 || chosen.includes(name));
  const program = findProgram();
  if (!program) throw new Error(HELP);
  process.env.REDIS_SERVER = program;
  const lines = [];
  let isFine = true;
  for (const part of wanted) {
    const failure = await step(part.name, () => attempt(part, seconds));
    lines.push(failure === null ? `fine: ${part.name}` : `FAILED: ${part.name}: ${failure}`);
    isFine &&= failure === null;
  }
  for (const line of EXCLUDED) say(`not checked: ${line}`);
  for (const line of lines) say(line);
  return isFine ? 0 : 1;
}

/** Runs a part. Resolves with the reason of its failure, or null. */
async function attempt(part, seconds) {
  if (part.nightly && !exists('cargo', ['+nightly', '--version']))
    return `Rust's nightly toolchain is missing: ${NIGHTLY}`;
  return part.run(seconds);
}

/** Runs cargo. Resolves with the reason of a failure, or null. */
async function cargo(args, { cwd = ROOT, ...variables } = {}) {
  const { code } = await run('cargo', args, { cwd, env: { ...process.env, ...variables } });
  return code === 0 ? null : `cargo ${args.join(' ')} ended with code ${code}`;
}

/** Every order of the threads in the hand-off, the mailbox and the tasks. */
function models() {
  return cargo(['test', '--quiet', '--', '--test-threads', '1'], { cwd: path.join(ROOT, '__test__', 'models') });
}

/** All tests for cargo, with a standard library that has the sanitizer too. */
async function sanitize(sanitizer) {
  // The documentation has no tests, and rustdoc gets no flags.
  const args = ['+nightly', 'test', '--tests', '-Zbuild-std', '--target', TARGET, '--no-default-features'];
  return cargo([...args, '--', '--test-threads', '2'], {
    RUSTFLAGS: `-Zsanitizer=${sanitizer}`,
    CARGO_TARGET_DIR: path.join(ROOT, 'target', 'sanitizers', sanitizer),
  });
}

/** The tests of pure modules. */
function miri() {
  if (!exists('cargo', ['+nightly', 'miri', '--version'])) return `Miri is missing: ${NIGHTLY}`;
  const skipped = LONG.flatMap((name) => ['--skip', name]);
  return cargo(['+nightly', 'miri', 'test', '--no-default-features', '--lib', '--', ...PURE, ...skipped], {
    MIRIFLAGS: '-Zmiri-disable-isolation',
    CARGO_TARGET_DIR: path.join(ROOT, 'target', 'sanitizers', 'miri'),
  });
}

/** Each fuzzer for some time. It writes an input that breaks a promise below `fuzz/artifacts`. */
async function fuzz(seconds) {
  if (!exists('cargo', ['fuzz', '--version'])) return 'cargo-fuzz is missing: cargo install cargo-fuzz';
  for (const name of FUZZERS) {
    const limits = [`-max_total_time=${seconds}`, '-malloc_limit_mb=256'];
    const failure = await cargo(['+nightly', 'fuzz', 'run', name, '--', ...limits]);
    if (failure !== null) return failure;
  }
  return null;
}

async function main(args) {
  const at = args.indexOf('--seconds');
  const [, text] = at < 0 ? [] : args.splice(at, 2);
  const seconds = at < 0 ? SECONDS : numberOption('seconds', text, (value) => Number.isInteger(value) && value > 0);
  return testSanitizers(args, seconds);
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
