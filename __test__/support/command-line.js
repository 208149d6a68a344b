'use strict';

const { spawn } = require('node:child_process');
const path = require('node:path');

const MAIN = path.resolve(__dirname, '..', '..', 'src', 'cli', 'main.js');

/** Command lines of this process, none of which may outlive it. */
const running = new Set();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Runs the command line; `ended` resolves with the exit code when it ends. It knows no REDIS_URL but one among `variables`.
 * On a terminal, which is one of `script`, what is typed goes to the child's stdin; `exec`, since a shell that stays
 * between the two is ended by Ctrl-C itself, and what it ends with is not what the command line said.
 */
function start(args, { variables = {}, isOnTerminal = false } = {}) {
  const { REDIS_URL: _, NO_COLOR: __, NODE_TEST_CONTEXT: ___, ...env } = process.env;
  const words = [process.execPath, MAIN, ...args];
  const [program, ...rest] = isOnTerminal ? ['script', '-qec', `exec ${words.join(' ')}`, '/dev/null'] : words;
  const stdio = [isOnTerminal ? 'pipe' : 'ignore', 'pipe', 'pipe'];
  const child = spawn(program, rest, { stdio, env: { ...env, SHELL: '/bin/sh', ...variables } });
  running.add(child);
  const run = { child, stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      run[name] += text;
    });
  }
  run.ended = new Promise((resolve) => {
    child.once('close', (code) => {
      running.delete(child);
      resolve(code);
    });
  });
  return run;
}

/** Runs it to its end. @returns {Promise<{ code: number, stdout: string, stderr: string }>} */
async function hfxbus(args, options) {
  const run = start(args, options);
  const code = await run.ended;
  return { code, stdout: run.stdout, stderr: run.stderr };
}

/** The same with --json, and what it says; fails where it says anything else as well. */
async function asked(args, options) {
  const { code, stdout, stderr } = await hfxbus([...args, '--json'], options);
  if (stderr !== '') throw new Error(`it complained: ${stderr}`);
  return { code, said: JSON.parse(stdout) };
}

module.exports = { asked, hfxbus, start };
