'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { RedisServer } = require('../../__test__/support/redis-server.js');
const { end, start, succeed } = require('../command.js');
const { findProgram } = require('../redis-program.js');
const { CACHE } = require('./tools.js');

/** In here its one dependency is found, which this checkout has. */
const FOLDER = path.join(CACHE, 'embedded');

/**
 * A Redis for the programs that are tried: by the program that is there, or else the embedded one of the package.
 *
 * @param {string} tarball the self-contained package
 * @returns {Promise<{ name: string, port: number, stop(): Promise<void> }>}
 */
async function startRedis(tarball) {
  const program = findProgram();
  if (program) {
    const redis = await RedisServer.start();
    return { name: program, port: redis.port, stop: async () => redis.kill() };
  }
  fs.rmSync(FOLDER, { recursive: true, force: true });
  fs.mkdirSync(FOLDER, { recursive: true });
  // Relative, since what looks like a drive of Windows is a host for some.
  const cwd = path.dirname(tarball);
  const args = ['-xzf', path.basename(tarball), '-C', path.relative(cwd, FOLDER)];
  await succeed('tar', args, { cwd, show: false });
  const main = path.join(FOLDER, 'package', 'src', 'cli', 'main.js');
  const child = start(process.execPath, [main, 'serve', '--port', '0']);
  for await (const line of createInterface({ input: child.stdout })) {
    const [, port] = /redis:\/\/[\d.]+:(\d+)/.exec(line) ?? [];
    if (port) return { name: 'the embedded one', port: Number(port), stop: async () => end(child) };
  }
  throw new Error('the embedded server does not start');
}

module.exports = { startRedis };
