'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { RedisServer, freePort } = require('../support/redis-server.js');

let library = null;

/** The wall clock of a process: it can be set while monotonic ones go on. Linux, with a C compiler. */
class Clock {
  #folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-clock-'));
  #file = path.join(this.#folder, 'offset');

  constructor() {
    this.wrongBy(0);
  }

  wrongBy(seconds) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    // In place, since processes look at this very file.
    const file = fs.openSync(this.#file, fs.constants.O_RDWR | fs.constants.O_CREAT);
    fs.writeSync(file, bytes, 0, 8, 0);
    fs.closeSync(file);
  }

  /** Environment of a process with this clock. */
  get variables() {
    library ??= compile();
    return { LD_PRELOAD: library, HFXBUS_CLOCK: this.#file };
  }

  close() {
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }
}

function compile() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-clock-'));
  const file = path.join(folder, 'clock.so');
  execFileSync('cc', ['-shared', '-fPIC', '-O2', '-o', file, path.join(__dirname, 'clock.c')]);
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  return file;
}

/** A Redis with a wall clock of its own. */
class ClockedServer extends RedisServer {
  clock = new Clock();

  static async start(...args) {
    const server = new ClockedServer(await freePort(), args);
    await server.start();
    return server;
  }

  get variables() {
    return this.clock.variables;
  }

  kill() {
    super.kill();
    this.clock.close();
  }
}

module.exports = { Clock, ClockedServer };
