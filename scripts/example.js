'use strict';

const { createInterface } = require('node:readline');
const path = require('node:path');
const { end, start } = require('./command.js');

/** Maximum time of an example, in ms. */
const PATIENCE = 60_000;
const READY = 'Waiting for jobs';
const EXPECTED = 'Outbound is: Hello world!';

/**
 * Runs both examples. The consumer first: a group gets what is sent once it is there.
 *
 * @param {Record<string, string>} env where Redis is
 * @param {(name: string) => { args: string[], cwd?: string }} [howToRun] Node's arguments for one of them; by default it is
 *   run as it is in this checkout
 */
async function runExamples(env, howToRun = asIs) {
  const consumer = new Example('consumer', env, howToRun('consumer'));
  await consumer.says(READY);
  const producer = new Example('producer', env, howToRun('producer'));
  await Promise.race([
    producer.succeeds(),
    consumer.ended.then(() => {
      throw new Error('the consumer ended before the producer');
    }),
  ]);
  if (!producer.lines.includes(EXPECTED)) throw new Error(`the producer did not print '${EXPECTED}'`);
  await consumer.terminate();
}

/** As the tsx command does it, but in one process, which then gets the signals. */
function asIs(name) {
  return { args: ['--require', 'tsx/cjs', path.join('examples', `${name}.ts`)] };
}

/** One of the examples, in a process of its own; what it prints is shown with its name in front. */
class Example {
  #waiting = [];
  #outcome = null;

  constructor(name, env, { args, ...options }) {
    this.name = name;
    /** Printed text. */
    this.lines = [];
    this.child = start(process.execPath, args, { env: { ...process.env, ...env }, ...options });
    const timer = setTimeout(() => end(this.child), PATIENCE);
    /** Resolves with why it was not a success, or null. */
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => resolve(error.message));
      this.child.once('close', (code, signal) => resolve(code === 0 ? null : `it ended with ${signal ?? code}`));
    }).then((reason) => {
      clearTimeout(timer);
      this.#outcome = { reason };
      this.#check();
      return reason;
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#read(line));
    }
  }

  /** Resolves when it prints that line; rejects if it ends without. */
  says(line) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject });
      this.#check();
    });
  }

  /** Resolves when it has ended well. */
  async succeeds() {
    const reason = await this.ended;
    if (reason) throw new Error(`the ${this.name} failed: ${reason}`);
  }

  /** Asks it to end, and waits until it has ended well; Windows has no signals, and ends it. */
  async terminate() {
    this.child.kill('SIGTERM');
    await (process.platform === 'win32' ? this.ended : this.succeeds());
  }

  #read(line) {
    console.log(`${this.name.padEnd(8)} | ${line}`);
    this.lines.push(line);
    this.#check();
  }

  #check() {
    this.#waiting = this.#waiting.filter(({ line, resolve, reject }) => {
      if (this.lines.includes(line)) resolve();
      else if (this.#outcome) reject(new Error(`the ${this.name} ended before it printed '${line}'`));
      else return true;
      return false;
    });
  }
}

module.exports = { runExamples };
