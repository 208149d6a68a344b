'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { start } = require('../support/command-line.js');
const { RawClient } = require('../support/raw-client.js');
const { until } = require('../support/wait-until.js');
const { EmbeddedRedis } = require('../../testing.js');

/** Runs the command line, until the test is over at most. */
function hfxbus(t, ...args) {
  const run = start(args);
  t.after(() => run.child.kill('SIGKILL'));
  return run;
}

/** Maximum time of a case on a busy machine, in ms. */
const LIMIT = 60000;

describe('npx hfxbus serve', { timeout: LIMIT }, () => {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    it(`listens on loopback, prints its purpose, and exits normally on ${signal}`, async (t) => {
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

  it('requires the given password', async (t) => {
    const run = hfxbus(t, 'serve', '--port=0', '--password', 'secret');
    await until(() => run.stdout.split('\n').length > 2);
    assert.doesNotMatch(run.stdout, /secret/);
    const client = new RawClient(Number(/:(\d+)$/m.exec(run.stdout)[1]));
    t.after(() => client.close());
    await assert.rejects(client.call('GET', 'k'), /NOAUTH/);
  });

  it('reports a port in use', async (t) => {
    const redis = await EmbeddedRedis.start();
    t.after(() => redis.stop());
    const run = hfxbus(t, 'serve', '--port', `${redis.port}`);
    assert.strictEqual(await run.ended, 1);
    assert.match(run.stderr, /^hfxbus: The embedded server cannot listen/);
  });

  it('prints its help, and reports invalid arguments', async (t) => {
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
