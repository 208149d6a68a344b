'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const { RedisServer } = require('../support/redis-server.js');
const { ROOT } = require('./documents.js');

const SCRIPT = path.join(ROOT, 'scripts', 'quickstart.js');
const SUCCESS = /^producer \| Outbound is: Hello world!$/m;

describe('npm run quickstart', () => {
  it('runs the examples on a server of its own, and leaves nothing behind', async () => {
    const { code, output, left } = await quickstart();
    assert.match(output, SUCCESS);
    assert.strictEqual(code, 0, output);
    assert.deepStrictEqual(left, []);
  });

  it('runs them on the server that REDIS_URL names', async () => {
    const redis = await RedisServer.start();
    const { code, output } = await quickstart({ REDIS_URL: `redis://127.0.0.1:${redis.port}` });
    redis.kill();
    assert.match(output, SUCCESS);
    assert.ok(output.includes(`REDIS_URL, at 127.0.0.1:${redis.port}`), output);
    assert.strictEqual(code, 0, output);
  });

  it('rejects a URL that the examples cannot use, and does not repeat it', async () => {
    for (const REDIS_URL of ['rediss://:secret@h', 'redis://h/3', 'redis://user:secret@h', 'secret']) {
      const { code, output } = await quickstart({ REDIS_URL });
      assert.match(output, /REDIS_URL must be of the form/);
      assert.doesNotMatch(output, /secret/);
      assert.strictEqual(code, 1);
    }
  });

  it('uses the embedded server if there is no Redis, and reports that', async () => {
    const { code, output, left } = await quickstart({ PATH: '/nowhere', REDIS_SERVER: undefined });
    assert.match(output, SUCCESS);
    assert.match(output, /Redis: the embedded server, .* neither REDIS_URL nor a Redis on PATH/);
    assert.strictEqual(code, 0, output);
    assert.deepStrictEqual(left, []);
  });

  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]) {
    it(`ends everything on ${signal}`, async () => {
      const { code, left } = await quickstart({}, (child) => child.kill(signal));
      assert.strictEqual(code, expected);
      assert.deepStrictEqual(left, []);
    });
  }
});

/**
 * Runs the script.
 * @param {(child: import('node:child_process').ChildProcess) => void} [whenReady] called when the consumer waits
 * @returns its exit code, what it printed, and the servers' folders that are left
 */
async function quickstart(variables = {}, whenReady = () => {}) {
  const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-quickstart-'));
  const env = { ...process.env, REDIS_URL: '', TMPDIR: temporary, ...variables };
  const child = spawn(process.execPath, [SCRIPT], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      if (!output.includes('Waiting for jobs') && text.includes('Waiting for jobs')) whenReady(child);
      output += text;
    });
  }
  // A process that is left holds on to the output, and this to the test.
  const code = await new Promise((resolve) => child.once('close', resolve));
  const left = fs.readdirSync(temporary).filter((name) => name.startsWith('hfxbus-'));
  fs.rmSync(temporary, { recursive: true });
  return { code, output, left };
}
