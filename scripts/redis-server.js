'use strict';

const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { end, start } = require('./command.js');

/** Maximum time until a server answers, in ms. */
const PATIENCE = 10_000;
/** Number of attempts, since another process can take a free port before the server does. */
const ATTEMPTS = 3;

/** Starts a private server on a free port, without persistence. It ends with this process at the latest. */
async function startServer(program) {
  for (let attempt = 1; ; attempt++) {
    const server = await tryServer(program);
    if (server) return server;
    if (attempt === ATTEMPTS) throw new Error(`${program} does not start`);
  }
}

async function tryServer(program) {
  const port = await freePort();
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-redis-'));
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir];
  const child = start(program, args, { stdio: 'ignore' });
  const remove = () => fs.rmSync(dir, { recursive: true, force: true });
  process.once('exit', remove);
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    end(child);
    if (child.exitCode === null && child.signalCode === null) await ended;
    remove();
    process.removeListener('exit', remove);
  };
  const deadline = Date.now() + PATIENCE;
  while (!(await answers(port))) {
    if (child.pid === undefined || child.exitCode !== null || Date.now() > deadline) {
      if (child.pid !== undefined) await stop();
      return null;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { port, stop };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const answer = (yes) => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('data', (data) => answer(data.toString().startsWith('+PONG')));
    socket.once('error', () => answer(false));
  });
}

module.exports = { startServer };
