'use strict';

/*
 * Profiles one case: `node bench/profile.js S4/16 [--native] [--subject ours] [--seconds 5]`. The files are
 * for Chromium's developer tools or for `perf report`; what is at the top of them is printed.
 */

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { chosen } = require('./arguments.js');
const { NativeProfiler, ScriptProfiler } = require('./profiler.js');
const { runOnce } = require('./rounds.js');
const { say } = require('./say.js');
const { Servers } = require('./servers.js');
const { Subject } = require('./subject.js');
const { markdown } = require('./table.js');
const { exists } = require('../scripts/program.js');

const RESULTS = path.join(__dirname, 'results');
/** So many functions are printed. */
const TOP = 25;
/** More than can be done before the time is over. */
const JOBS = 4_000_000;

/** Runs the case once, under a profiler. */
async function profile({ scenario, one, name, seconds }, profiler) {
  const subject = await Subject.provide(name);
  const servers = new Servers();
  try {
    // A backlog has to be written first.
    const jobs = one.inFlight ? JOBS : one.jobs * 5;
    const { rate, clientCpu } = await runOnce(scenario, { ...one, jobs, seconds }, { subject, servers, profiler });
    say(
      `${Math.round(rate).toLocaleString('en')} jobs/s, ${clientCpu.toFixed(2)} µs of client CPU per job, profiler included`,
    );
  } finally {
    servers.stop();
  }
}

/** Returns the self time of a process' functions, as shares of its time without idle. */
function scriptShares(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(fs.readFileSync(file, 'utf8'));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const spent = new Map();
  samples.forEach((id, at) => {
    const name = names.get(id);
    if (name !== '(idle)') spent.set(name, (spent.get(name) ?? 0) + timeDeltas[at]);
  });
  const all = [...spent.values()].reduce((sum, time) => sum + time, 0);
  const sorted = [...spent].sort(([, left], [, right]) => right - left);
  return sorted.map(([name, time]) => [`${((100 * time) / all).toFixed(1)} %`, name]);
}

function nameOf({ functionName, url, lineNumber }) {
  const place = url ? ` ${path.basename(url)}:${lineNumber + 1}` : '';
  return `${functionName || '(anonymous)'}${place}`;
}

/** The same of all threads. */
function nativeShares(file) {
  const options = ['--stdio', '--no-children', '-g', 'none', '--percent-limit', '0.3', '-F', 'overhead,comm,symbol'];
  const { stdout } = spawnSync('perf', ['report', '-i', file, ...options], { encoding: 'utf8' });
  const lines = stdout.split('\n').map((text) => text.trim());
  const rows = lines.filter((text) => text && !text.startsWith('#')).map((text) => text.split(/\s{2,}/));
  return rows.map(([share, ...rest]) => [share.replace('%', ' %'), rest.join(', ')]);
}

function print(folder, isNative) {
  for (const file of fs.readdirSync(folder)) {
    const [role] = file.split('.');
    const shares = (isNative ? nativeShares : scriptShares)(path.join(folder, file));
    console.log(`${role}\n\n${markdown(['share', 'of'], shares.slice(0, TOP))}\n`);
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      subject: { type: 'string', default: 'ours' },
      seconds: { type: 'string', default: '5' },
      native: { type: 'boolean', default: false },
    },
  });
  const [scenario] = chosen(positionals.slice(0, 1));
  if (!scenario || scenario.cases.length > 1) throw new Error('name one case, such as S4/16');
  if (values.native && !exists('perf')) throw new Error('there is no perf on PATH');
  const [one] = scenario.cases;
  const kind = values.native ? 'native' : 'script';
  const folder = path.join(RESULTS, `profile-${scenario.id}-${one.id}-${values.subject}-${kind}`);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const profiler = values.native ? new NativeProfiler(folder) : new ScriptProfiler(folder);
  await profile({ scenario, one, name: values.subject, seconds: Number(values.seconds) }, profiler);
  print(folder, values.native);
  profiler.clear();
  say(`written to ${path.relative(process.cwd(), folder)}`);
}

main().then(
  () => process.exit(0),
  (error) => {
    say(error.message);
    process.exit(1);
  },
);
