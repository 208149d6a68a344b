'use strict';

const { spawn } = require('node:child_process');
const { until } = require('./wait-until.js');

const SEVERAL_SERVERS = require.resolve('./several-servers.js');

/** Children of this process, none of which may outlive it. */
const running = new Set();

process.on('exit', () => {
  for (const child of running) child.kill();
});

/**
 * A Node process of its own that runs one function, for what may crash, hang, leak or print.
 *
 * The function gets `{ hfxbus, options, data, connect, print }` and must not use anything of the file it is written in.
 * `connect` connects to the bus of an arrangement of servers. `print` does not go to stdout, so that what comes there is the
 * package's.
 */
class Child {
  #process;
  #limit;
  #exited;
  /** Beginning of a line without its end. */
  #rest = '';
  #hear;
  /** True after it has ended and its whole output was read, which can be later. */
  #isOver = false;
  /** Output of the function, an array of values for each call, without the values that `hear` consumed. */
  printed = [];
  stdout = '';
  stderr = '';

  /** @param {(values: any[]) => boolean} [given.hear] gets each line as it comes; returns whether that was all there is to it */
  constructor(subject, run, { options, data, limit = 15000, flags = [], variables, hear = () => false } = {}) {
    this.#hear = hear;
    const source = `
      const print = (...values) => require('node:fs').writeSync(3, JSON.stringify(values) + '\\n');
      const { file, options, data } = JSON.parse(process.env.HFXBUS_CHILD);
      const hfxbus = require(file);
      const connect = (...args) => require(${JSON.stringify(SEVERAL_SERVERS)}).connectBus(hfxbus, ...args);
      (${run})({ hfxbus, options, data, connect, print });`;
    const env = { ...process.env, ...variables, HFXBUS_CHILD: JSON.stringify({ file: subject.file, options, data }) };
    // Of no use to the child, and it would report as a test.
    delete env.NODE_TEST_CONTEXT;
    this.#process = spawn(process.execPath, [...flags, '-e', source], {
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    this.#limit = setTimeout(() => this.#expire(), limit);
    const [, stdout, stderr, lines] = this.#process.stdio;
    stdout.on('data', (chunk) => {
      this.stdout += chunk;
    });
    stderr.on('data', (chunk) => {
      this.stderr += chunk;
    });
    lines.setEncoding('utf8');
    lines.on('data', (chunk) => this.#read(chunk));
    running.add(this);
    this.#exited = new Promise((resolve) => {
      this.#process.on('close', (code, signal) => {
        clearTimeout(this.#limit);
        running.delete(this);
        this.#isOver = true;
        resolve({ code, signal, at: Date.now() });
      });
    });
    this.isTimedOut = false;
  }

  get pid() {
    return this.#process.pid;
  }

  /** Waits for a line that starts with a word, and gives its other values. */
  async says(word, timeout) {
    const line = await until(() => this.printed.find(([first]) => first === word) ?? this.#isOver, {
      timeout,
      what: `the child's '${word}'`,
    });
    if (line === true) throw new Error(`the child ended without '${word}': ${this.stderr}`);
    return line.slice(1);
  }

  /** Waits until it has ended. @returns {Promise<{ code: number | null, signal: string | null, at: number }>} */
  exit() {
    return this.#exited;
  }

  signal(name) {
    this.#process.kill(name);
  }

  kill() {
    this.#process.kill('SIGKILL');
  }

  #read(chunk) {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop();
    for (const line of lines) {
      const values = JSON.parse(line);
      if (!this.#hear(values)) this.printed.push(values);
    }
  }

  #expire() {
    this.isTimedOut = true;
    this.kill();
  }
}

module.exports = { Child };
