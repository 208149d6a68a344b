'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.dirname(__dirname);
const HAS_GROUPS = process.platform !== 'win32';

/** Running child processes. They end with this process, whatever its end. */
const running = new Set();

process.on('exit', () => {
  for (const child of running) end(child);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => process.exit(128 + os.constants.signals[signal]));
}

// npm's shell forwards no signal: after its end no process waits for this one.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && process.exit(1), 500).unref();

/** Starts a process, as the head of a group so that its children can be ended with it. */
function start(file, args, options = {}) {
  const child = spawn(file, args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: HAS_GROUPS,
    ...options,
  });
  running.add(child);
  child.once('error', () => running.delete(child));
  child.once('exit', () => {
    running.delete(child);
    end(child);
  });
  return child;
}

/** Ends a process and whatever it has started. */
function end(child) {
  try {
    if (HAS_GROUPS) process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Runs a process to its end; resolves with its code and what it printed, which is shown meanwhile if `show`. */
function run(file, args, { show = true, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = start(file, args, options);
    let output = '';
    const read = (target) => (text) => {
      output += text;
      if (show) target.write(text);
    };
    child.stdout.setEncoding('utf8').on('data', read(process.stdout));
    child.stderr.setEncoding('utf8').on('data', read(process.stderr));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** As `run()`, but rejects if the process failed; what it printed is in the message if it was not shown. */
async function succeed(file, args, options = {}) {
  const { code, output } = await run(file, args, options);
  if (code === 0) return;
  const said = options.show === false ? `:\n${output.trim()}` : '';
  throw new Error(`${[path.basename(file), ...args].join(' ')} ended with code ${code}${said}`);
}

/** npm's program and first arguments: the npm that runs this script, or the one on PATH. */
function npm() {
  const cli = process.env.npm_execpath;
  if (cli && /npm-cli\.c?js$/.test(cli)) return [process.execPath, [cli]];
  return process.platform === 'win32' ? ['npm.cmd', []] : ['npm', []];
}

/** Runs npm, as `succeed()` does. */
function runNpm(args, options) {
  const [file, first] = npm();
  return succeed(file, [...first, ...args], options);
}

/** A package's program, which is the same on all platforms. */
function bin(name) {
  const folder = path.join(ROOT, 'node_modules', name);
  const { bin: programs } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  return path.join(folder, typeof programs === 'string' ? programs : Object.values(programs)[0]);
}

module.exports = { ROOT, start, end, run, succeed, runNpm, bin };
