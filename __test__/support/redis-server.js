'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { HELP, findProgram } = require('../../scripts/redis-program.js');
const { RawClient } = require('./raw-client.js');
const { until } = require('./wait-until.js');

/** True if the tests run on the embedded server, in a process of its own: HFXBUS_TEST_SERVER=embedded. */
const isEmbedded = process.env.HFXBUS_TEST_SERVER === 'embedded';
const EMBEDDED = path.join(__dirname, 'embedded-server.js');
const EMBEDDED_ARGUMENTS = ['--requirepass'];

/** Servers of this process, none of which may outlive it. */
const running = new Set();

process.on('exit', () => {
  for (const server of running) server.kill();
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => process.exit(128 + os.constants.signals[signal]));
}

/** A private Redis: empty, on a free port, without persistence. It does not keep the process alive. */
class RedisServer {
  #args;
  #process = null;
  #client = null;
  #folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-redis-'));
  #password;

  /** @param {string[]} args further arguments of the server */
  static async start(...args) {
    const server = new RedisServer(await freePort(), args);
    try {
      await server.start(5000);
      return server;
    } catch {
      // Another process took the port meanwhile, or the port of the Cluster bus, which is 10,000 above.
      server.kill();
    }
    const another = new RedisServer(await freePort(), args);
    await another.start();
    return another;
  }

  /** @param {string} [password] what the test itself authenticates with */
  constructor(port, args, password) {
    const unknown = isEmbedded && args.find((arg) => arg.startsWith('--') && !EMBEDDED_ARGUMENTS.includes(arg));
    if (unknown) throw new Error(`the embedded server has no ${unknown}: list the case in embedded/unsupported.js`);
    this.port = port;
    this.#args = args;
    this.#password = password;
  }

  /** Options of a bus for this server. */
  get options() {
    return { host: '127.0.0.1', port: this.port };
  }

  get pid() {
    return this.#process.pid;
  }

  get isRunning() {
    return this.#process !== null;
  }

  /** Starts it, on the same port as before, within so many ms. */
  async start(timeout = 20000) {
    running.add(this);
    fs.mkdirSync(this.#folder, { recursive: true });
    await until(() => this.#launch(), { timeout, what: `a server on port ${this.port}` });
  }

  /** As `kill -9`; what it has on disk is there when it is started again. */
  crash() {
    this.#process?.kill('SIGKILL');
    this.#process = null;
    this.#client?.close();
    this.#client = null;
  }

  /** As `kill -9`, and nothing is left of it. */
  kill() {
    running.delete(this);
    this.crash();
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Has it answer nothing any more, with its sockets open. */
  freeze() {
    this.#process.kill('SIGSTOP');
    // A program of several threads stops when the first of them comes to it, and others go on until then.
    if (isEmbedded) while (threads(this.pid).some((state) => state !== 'T'));
  }

  /** Ends that. */
  thaw() {
    this.#process.kill('SIGCONT');
  }

  async restart() {
    this.kill();
    await this.start();
  }

  /** Sends a command as a client that has nothing to do with a bus. */
  call(...words) {
    return this.client.call(...words);
  }

  callBuffer(...words) {
    return this.client.callBuffer(...words);
  }

  get client() {
    if (this.#client === null || this.#client.isClosed) {
      this.#client = new RawClient(this.port);
      if (this.#password) this.#client.call('AUTH', this.#password).catch(() => {});
    }
    return this.#client;
  }

  /** REDIS_SERVER, or what is on PATH. */
  get program() {
    return isEmbedded ? process.execPath : serverProgram();
  }

  /** The arguments of the program, given a folder of its own. */
  arguments(folder) {
    if (isEmbedded) return [EMBEDDED, '--port', `${this.port}`, ...this.#args];
    const own = ['--port', this.port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
    return [...own.map(String), ...this.#args];
  }

  /** Additions to the environment of the program. */
  get variables() {
    return {};
  }

  /** One attempt; false if the server did not come up. */
  async #launch() {
    const env = { ...process.env, ...this.variables };
    // A program that is one of Node's would report as a test.
    delete env.NODE_TEST_CONTEXT;
    const child = spawn(this.program, this.arguments(this.#folder), { stdio: 'ignore', env });
    let isAlive = true;
    child.on('error', () => {
      isAlive = false;
    });
    child.on('exit', () => {
      isAlive = false;
      if (this.#process === child) this.#process = null;
    });
    child.unref();
    this.#process = child;
    for (;;) {
      const isUp = await this.call('PING').then(
        () => true,
        (error) => error.message !== 'closed',
      );
      if (isUp) return isAlive;
      if (!isAlive) return false;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Returns the states of the threads of a process, if the system shows them. */
function threads(pid) {
  const folder = `/proc/${pid}/task`;
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder).map((thread) => {
    const stat = fs.readFileSync(path.join(folder, thread, 'stat'), 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0];
  });
}

let program;

/** Returns the program of the server. Only the first call searches for it. */
function serverProgram() {
  program ??= findProgram();
  if (!program) throw new Error(HELP);
  return program;
}

/** A node of a Cluster listens on a second port, ten thousand higher. */
const HIGHEST_PORT = 55535;

/** Returns a port without a listener. */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port <= HIGHEST_PORT ? port : freePort()));
    });
  });
}

module.exports = { RedisServer, freePort, isEmbedded };
