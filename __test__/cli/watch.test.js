'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { hfxbus, start } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { RedisServer } = require('../support/redis-server.js');
const { countsEntries } = require('../support/stream-counts.js');
const { until } = require('../support/wait-until.js');

const STREAM = keys.stream('mails');
const GROUP = keys.group('mailer');
const PATIENCE = { timeout: 20000 };
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';

async function watched(t) {
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  await redis.call('XGROUP', 'CREATE', STREAM, GROUP, '0', 'MKSTREAM');
  return { redis, url: `redis://127.0.0.1:${redis.port}` };
}

/** Returns the output so far, by line. */
function said(run) {
  const lines = run.stdout.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line).streams[0]);
}

describe('npx hfxbus watch', () => {
  it('prints the entries added, delivered and settled per second, one line per interval', async (t) => {
    const { redis, url } = await watched(t);
    const run = start(['watch', '--json', '--interval', '100', '--url', url]);
    t.after(() => run.child.kill('SIGKILL'));
    await until(() => said(run).length > 0, PATIENCE);
    const ids = Array.from({ length: 50 }, (_, at) => `1-${at + 1}`);
    await redis.client.callAll(ids.map((id) => ['XADD', STREAM, id, 'prd', 'p', 'job', 'j']));
    await redis.call('XREADGROUP', 'GROUP', GROUP, 'worker', 'COUNT', '20', 'STREAMS', STREAM, '>');
    await redis.call('XACK', STREAM, GROUP, ...ids.slice(0, 5));
    const last = () => said(run).at(-1);
    await until(() => last().length === 50 && last().groups[0].pending === 15, PATIENCE);
    if (await countsEntries(redis, STREAM)) {
      assert.strictEqual(last().groups[0].lag, 30);
      const sum = (of) => said(run).reduce((total, stream) => total + of(stream), 0);
      assert.ok(sum(({ added }) => added) > 0);
      const delivered = sum(({ groups: [group] }) => group.delivered);
      const settled = sum(({ groups: [group] }) => group.settled);
      assert.ok(delivered > settled && settled > 0, `${delivered}, ${settled}`);
    } else {
      assert.deepStrictEqual([last().added, last().groups[0].delivered, last().groups[0].settled], [null, null, null]);
    }
    run.child.kill('SIGINT');
    assert.deepStrictEqual([await run.ended, run.stderr], [0, '']);
  });

  it('ends after the given number of intervals', async (t) => {
    const { url } = await watched(t);
    const { code, stdout } = await hfxbus(['watch', '--count', '2', '--interval', '50', '--url', url]);
    assert.strictEqual(code, 0);
    assert.strictEqual(stdout.match(/^mails .* mailer /gm).length, 2);
    assert.ok(!stdout.includes('\x1b'));
  });

  it('takes over the terminal, and restores it at Ctrl-C', async (t) => {
    const { url } = await watched(t);
    const run = start(['watch', '--interval', '50', '--url', url], { isOnTerminal: true });
    t.after(() => run.child.kill('SIGKILL'));
    await until(() => run.stdout.includes('mailer'), PATIENCE);
    assert.ok(run.stdout.startsWith(ENTER), JSON.stringify(run.stdout.slice(0, 40)));
    run.child.stdin.write('\x03');
    assert.strictEqual(await run.ended, 0);
    assert.ok(run.stdout.endsWith(LEAVE), JSON.stringify(run.stdout.slice(-40)));
  });

  it('restores the terminal when Redis goes away', async (t) => {
    const { redis, url } = await watched(t);
    const run = start(['watch', '--interval', '50', '--url', url], { isOnTerminal: true });
    t.after(() => run.child.kill('SIGKILL'));
    await until(() => run.stdout.includes('mailer'), PATIENCE);
    redis.kill();
    assert.strictEqual(await run.ended, 1);
    const [, after] = run.stdout.split(LEAVE);
    assert.match(after, /^hfxbus: /);
  });
});
