'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const path = require('node:path');
const { describe, it } = require('node:test');
const { RawClient } = require('../support/raw-client.js');
const { until } = require('../support/until.js');
const { EmbeddedRedis } = require('../../testing.js');

const MAIN = path.resolve(__dirname, '..', '..', 'src', 'cli', 'main.js');

/** Runs the command line; `ended` resolves with the exit code when it ends. */
function hfxbus(t, ...args) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const run = { child, stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      run[name] += text;
    });
  }
  run.ended = new Promise((resolve) => child.once('close', (code) => resolve(code)));
  return run;
}

/** How long it all may take, in ms, on a machine that does other things too. */
const LIMIT = 60000;

describe('npx hfxbus serve', { timeout: LIMIT }, () => {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    it(`serves on loopback, says what it is for, and ends well on ${signal}`, async (t) => {
      const run = hfxbus(t, 'serve', '--port', '0');
      await until(() => run.stdout.split('\n').length > 2);
      assert.match(run.stdout, /^Not for production: everything is in the memory of this process/m);
      const client = new RawClient(Number(/redis:\/\/127\.0\.0\.1:(\d+)$/m.exec(run.stdout)[1]));
      assert.strictEqual(await client.call('SET', 'k', 'v'), 'OK');
      run.child.kill(signal);
      assert.strictEqual(await run.ended, 0);
      assert.strictEqual(run.stderr, '');
      await until(() => client.isClosed);
    });
  }

  it('wants the password that it was given', async (t) => {
    const run = hfxbus(t, 'serve', '--port=0', '--password', 'secret');
    await until(() => run.stdout.split('\n').length > 2);
    assert.doesNotMatch(run.stdout, /secret/);
    const client = new RawClient(Number(/:(\d+)$/m.exec(run.stdout)[1]));
    t.after(() => client.close());
    await assert.rejects(client.call('GET', 'k'), /NOAUTH/);
  });

  it('says so where the port is taken', async (t) => {
    const redis = await EmbeddedRedis.start();
    t.after(() => redis.stop());
    const run = hfxbus(t, 'serve', '--port', `${redis.port}`);
    assert.strictEqual(await run.ended, 1);
    assert.match(run.stderr, /^hfxbus: The embedded server cannot listen/);
  });

  it('explains itself, and what it cannot understand', async (t) => {
    for (const [args, code, text] of [
      [['--help'], 0, /Usage: hfxbus <verb>/],
      [[], 2, /Usage: hfxbus <verb>/],
      [['serve', '--help'], 0, /--port <n>/],
      [['nonsense'], 2, /there is no verb 'nonsense'/],
      [['serve', '--port', 'x'], 2, /--port must be/],
      [['serve', '--nonsense'], 2, /--nonsense/],
    ]) {
      const run = hfxbus(t, ...args);
      assert.strictEqual(await run.ended, code, args.join(' '));
      assert.match(run.stdout + run.stderr, text);
    }
  });
});
