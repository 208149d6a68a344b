'use strict';

const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Client } = require('pg');
const { HELP, findPostgres } = require('../../scripts/postgres-program.js');
const { freePort } = require('./redis-server.js');
const { until } = require('./wait-until.js');

/** Users as which a server can run for root, for which it refuses to run itself. */
const USERS = ['postgres', 'nobody'];

/** Servers of this process, none of which may outlive it. */
const running = new Set();

process.on('exit', () => {
  for (const server of running) server.kill();
});

/** A private PostgreSQL: an empty cluster of its own, on a free port. It does not keep the process alive. */
class PostgresServer {
  #programs;
  #owner = owner();
  #folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-postgres-'));
  #process = null;
  #databases = 0;

  static async start() {
    const server = new PostgresServer(await freePort());
    running.add(server);
    server.#initialize();
    await server.start();
    return server;
  }

  constructor(port) {
    this.port = port;
    this.#programs = findPostgres();
    if (this.#programs === undefined) throw new Error(HELP);
  }

  /** Starts it on the same port as before. After a crash its processes need a moment to end. */
  async start(timeout = 30000) {
    await until(() => this.#launch(), { timeout, what: `a PostgreSQL on port ${this.port}` });
  }

  /** As `kill -9` of the postmaster, with which all its processes end. Committed transactions are there after `start()`. */
  crash() {
    this.#process?.kill('SIGKILL');
    this.#process = null;
  }

  /** Ends it, and nothing is left of it. */
  kill() {
    running.delete(this);
    this.#process?.kill('SIGQUIT');
    this.#process = null;
    fs.rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  /** Creates a database, and returns its URL. */
  async database() {
    const name = `test${this.#databases++}`;
    await this.#ask(`CREATE DATABASE ${name}`);
    return this.#url(name);
  }

  #url(database) {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  async #ask(text) {
    const client = new Client({ connectionString: this.#url('postgres'), connectionTimeoutMillis: 2000 });
    client.on('error', () => {});
    try {
      await client.connect();
      return await client.query(text);
    } finally {
      client.end().catch(() => {});
    }
  }

  #initialize() {
    if (this.#owner.uid !== undefined) fs.chownSync(this.#folder, this.#owner.uid, this.#owner.gid);
    const args = ['-D', path.join(this.#folder, 'data'), '-U', 'postgres', '--auth', 'trust', '--no-sync'];
    const locale = ['--encoding', 'UTF8', '--locale', 'C'];
    const options = { ...this.#owner, cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] };
    execFileSync(path.join(this.#programs, 'initdb'), [...args, ...locale], options);
  }

  /** One attempt; false if the server did not come up. */
  async #launch() {
    const settings = [
      'fsync=off',
      'shared_buffers=16MB',
      'max_connections=60',
      `unix_socket_directories=${this.#folder}`,
    ];
    const args = ['-D', path.join(this.#folder, 'data'), '-p', `${this.port}`, '-h', '127.0.0.1'];
    const child = spawn(path.join(this.#programs, 'postgres'), [...args, ...settings.flatMap((one) => ['-c', one])], {
      ...this.#owner,
      cwd: this.#folder,
      stdio: 'ignore',
    });
    let isAlive = true;
    const end = () => {
      isAlive = false;
      if (this.#process === child) this.#process = null;
    };
    child.on('error', end).on('exit', end);
    child.unref();
    this.#process = child;
    for (;;) {
      const isUp = await this.#ask('SELECT 1').then(Boolean, () => false);
      if (isUp || !isAlive) return isUp && isAlive;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Returns the user and group of the server; none unless this process is root. */
function owner() {
  if (process.getuid?.() !== 0) return {};
  for (const user of USERS) {
    const [uid, gid] = ['-u', '-g'].map((flag) => numberOf(user, flag));
    if (uid !== null && gid !== null) return { uid, gid };
  }
  throw new Error(`PostgreSQL does not run as root, and there is no user ${USERS.join(' or ')}`);
}

function numberOf(user, flag) {
  try {
    return Number(execFileSync('id', [flag, user], { stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return null;
  }
}

module.exports = { PostgresServer };
