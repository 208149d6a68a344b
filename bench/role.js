'use strict';

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');

/** Roles of this process, none of which may outlive it. */
const running = new Set();

process.on('exit', () => {
  for (const role of running) role.end();
});

/** A part in a scenario, played by one subject in a process of its own. */
class Role {
  #child;
  #waiting = new Map();
  #calls = 0;
  #output = '';

  /**
   * @param {string} name a file in `roles`
   * @param {string[]} [flags] for Node
   */
  static async start(name, subject, options, flags = []) {
    const role = new Role(name, subject, options, flags);
    await role.call('prepare');
    return role;
  }

  constructor(name, subject, options, flags) {
    const part = JSON.stringify({ name, options, ...subject.files });
    this.name = name;
    this.#child = fork(path.join(__dirname, 'role-process.js'), [part], {
      execArgv: flags,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child.on('message', ({ call, result, error }) => this.#settle(call, result, error));
    this.#child.on('exit', () => this.#abandon(`${subject.name} as ${name} has ended: ${this.#output}`));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on('data', (chunk) => {
        this.#output += chunk;
      });
    }
    running.add(this);
  }

  get pid() {
    return this.#child.pid;
  }

  /** Calls a method of the role over there. */
  call(method, ...args) {
    return new Promise((resolve, reject) => {
      const call = ++this.#calls;
      this.#waiting.set(call, { resolve, reject });
      this.#child.send({ call, method, args }, (error) => error && this.#settle(call, undefined, error.message));
    });
  }

  /** Has the process end by itself, so that it writes what it has to. */
  async finish() {
    if (!this.#child.connected) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
    this.end();
  }

  /** Nothing is left to be said: the measurement is over. */
  end() {
    running.delete(this);
    this.#child.kill('SIGKILL');
  }

  #settle(call, result, error) {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }

  #abandon(reason) {
    for (const call of this.#waiting.keys()) this.#settle(call, undefined, reason);
  }
}

module.exports = { Role };
