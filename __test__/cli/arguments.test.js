'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { read } = require('../package/documents.js');
const { FakeRedis, ERROR, bulk } = require('../support/fake-redis.js');
const { hfxbus, start } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { RedisServer, freePort } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');

const OF_BUS = [
  ['doctor'],
  ['inspect'],
  ['why', 'job'],
  ['dead-letters', 'list', 'letters'],
  ['export', 'orders'],
  ['replay', 'orders', '--group', 'g', '--from', '0'],
  ['watch'],
  ['dashboard', '--port', '0'],
];

describe('npx hfxbus', () => {
  for (const words of OF_BUS) {
    const [verb] = words;

    it(`${verb} reports an unreachable Redis without the password, and exits with 1`, async () => {
      const port = await freePort();
      const { code, stdout, stderr } = await hfxbus([...words, '--url', `redis://user:secret@127.0.0.1:${port}`]);
      assert.strictEqual(code, 1);
      assert.strictEqual(stdout, '');
      assert.match(stderr, new RegExp(`^hfxbus: 127\\.0\\.0\\.1:${port}: .*ECONNREFUSED`));
      assert.doesNotMatch(stderr, /secret/);
    });

    it(`${verb} prints its help`, async () => {
      const { code, stdout } = await hfxbus([verb, '--help']);
      assert.strictEqual(code, 0);
      assert.match(stdout, new RegExp(`^Usage: hfxbus ${verb} [^]*--url <url>[^]*--prefix <text>[^]*--json`));
    });

    it(`${verb} exits with 2 for invalid arguments`, async () => {
      for (const [more, text] of [
        [['--nonsense'], /--nonsense/],
        [['--prefix', ''], /--prefix must not be empty/],
        [['--url', 'http://user:secret@127.0.0.1'], /url cannot be used/],
      ]) {
        const { code, stdout, stderr } = await hfxbus([...words, ...more]);
        assert.deepStrictEqual([code, stdout], [2, ''], more.join(' '));
        assert.match(stderr, text);
        assert.match(stderr, new RegExp(`Usage: hfxbus ${verb}`));
        assert.doesNotMatch(stderr, /secret/);
      }
    });
  }

  it('has exactly the options of docs/command-line.md', async () => {
    const optionsIn = (text) => new Set(text.match(/--[a-z]+/g));
    const helps = await Promise.all(OF_BUS.map(([verb]) => hfxbus([verb, '--help'])));
    const there = optionsIn(helps.map(({ stdout }) => stdout).join('\n'));
    assert.ok(there.size > 10, [...there].join());
    assert.deepStrictEqual([...optionsIn(read('docs/command-line.md'))].sort(), [...there, '--help'].sort());
  });

  it('exits with 2 for missing, excess or out-of-range arguments', async () => {
    for (const args of [
      ['why'],
      ['why', 'a', 'b'],
      ['inspect', 'a', 'b'],
      ['doctor', 'a'],
      ['doctor', '--idle', 'x'],
      ['doctor', '--idle', '0'],
      ['watch', '--interval', '1'],
      ['watch', '--count', '0'],
      ['dead-letters'],
      ['dead'],
      ['dead-letters', 'list'],
      ['dead-letters', 'bury', 'letters'],
      ['dead-letters', 'list', 'letters', '1-1'],
      ['dead-letters', 'list', 'letters', '--count', '0'],
      ['dead-letters', 'drop', 'letters', '--yes'],
      ['dead-letters', 'drop', 'letters', '1-1', '--all', '--yes'],
    ]) {
      const { code, stderr } = await hfxbus(args);
      assert.strictEqual(code, 2, args.join(' '));
      assert.match(stderr, /^hfxbus: .+\n\nUsage: hfxbus /);
    }
  });

  it('repeats no possible password: a URL without its option, or a word for serve', async () => {
    const url = 'redis://user:secret@127.0.0.1:1';
    for (const args of [
      [url],
      ...OF_BUS.map((words) => [...words, url]),
      ['why', url],
      ['dead-letters', url],
      ['dead-letters', 'drop', 'letters', url, '--yes'],
      ['doctor', `--ulr=${url}`],
      ['doctor', '--ulr', url],
      ['doctor', `--json=${url}`],
      ['doctor', '--url', 'user:secret@127.0.0.1'],
      ['doctor', '--url', 'redis://:secret%ss@127.0.0.1'],
      ['doctor', '--url', 'redis://127.0.0.1?password=secret%ss'],
      ['doctor', '--url', 'redis://127.0.0.1?db=secret'],
      ['doctor', '--url', 'redis://127.0.0.1/secret'],
      ['doctor', '--url', 'redis://h1?keyPrefix=a', '--url', 'redis://h2?keyPrefix=b'],
      ['serve', url],
      ['serve', '--port', '0', 'secret'],
      ['serve', '--port', 'secret'],
      ['serve', '--pasword', 'secret'],
    ]) {
      const { code, stdout, stderr } = await hfxbus(args);
      assert.deepStrictEqual([code, stdout], [2, ''], args.join(' '));
      assert.match(stderr, /^hfxbus: .+\n(.*\n)*Usage: hfxbus /);
      assert.doesNotMatch(stderr, /secret/, args.join(' '));
    }
  });

  it('exits normally when its output is closed, as with | head', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    for (const words of [['doctor'], ['watch', '--interval', '50'], ['watch', '--interval', '50', '--json']]) {
      const run = start([...words, '--url', `redis://127.0.0.1:${redis.port}`]);
      t.after(() => run.child.kill('SIGKILL'));
      run.child.stdout.destroy();
      await until(() => run.child.exitCode !== null, { timeout: 20000, what: `the end of ${words.join(' ')}` });
      assert.deepStrictEqual([run.child.exitCode, run.stderr], [0, ''], words.join(' '));
    }
  });

  it('takes REDIS_URL, and never shows its password', async (t) => {
    const redis = new RedisServer(await freePort(), ['--requirepass', 'secret'], 'secret');
    await redis.start();
    t.after(() => redis.kill());
    const variables = { REDIS_URL: `redis://:secret@127.0.0.1:${redis.port}` };
    const once = ['watch', '--count', '1', '--interval', '50'];
    for (const words of [['doctor'], ['inspect'], ['dead-letters', 'list', 'letters'], once]) {
      const { code, stdout, stderr } = await hfxbus(words, { variables });
      assert.deepStrictEqual([code, stderr], [0, ''], words.join(' '));
      assert.doesNotMatch(stdout, /secret/);
    }
    const { code, stderr } = await hfxbus(['inspect', '--url', `redis://:wrong@127.0.0.1:${redis.port}`]);
    assert.strictEqual(code, 1);
    assert.match(stderr, /^hfxbus: 127\.0\.0\.1:\d+: (WRONGPASS|ERR|NOAUTH)/);
    assert.doesNotMatch(stderr, /wrong@/);
  });

  it('takes options from URL parameters', async (t) => {
    const redis = new RedisServer(await freePort(), ['--requirepass', 'sec%ret'], 'sec%ret');
    await redis.start();
    t.after(() => redis.kill());
    await redis.call('SELECT', '3');
    await redis.call('XADD', keys.stream('third', 'mine'), '*', 'prd', 'p', 'job', 'j');
    const url = `redis://127.0.0.1:${redis.port}?password=sec%25ret&db=3&keyPrefix=mine`;
    for (const [words, expected] of [
      [[], /^third /m],
      [['--prefix', 'hfxbus'], /^There are no streams/],
    ]) {
      const { code, stdout, stderr } = await hfxbus(['inspect', '--url', url, ...words]);
      assert.deepStrictEqual([code, stderr], [0, '']);
      assert.match(stdout, expected);
    }
  });

  it('shows colours on a terminal, and none with NO_COLOR or without a terminal', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    const args = ['doctor', '--url', `redis://127.0.0.1:${redis.port}`];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it begins what styles text
    const style = /\x1b\[/;
    assert.match((await hfxbus(args, { isOnTerminal: true })).stdout, style);
    const plain = await hfxbus(args, { isOnTerminal: true, variables: { NO_COLOR: '1' } });
    assert.match(plain.stdout, /ok +version/);
    assert.doesNotMatch(plain.stdout, style);
    // As no-color.org has it.
    assert.match((await hfxbus(args, { isOnTerminal: true, variables: { NO_COLOR: '' } })).stdout, style);
    const asJson = await hfxbus([...args, '--json'], { isOnTerminal: true });
    assert.doesNotMatch(asJson.stdout, style);
    assert.strictEqual(JSON.parse(asJson.stdout).ok, true);
    assert.doesNotMatch((await hfxbus(args)).stdout, style);
  });

  it('exits with 1 if Redis fails during the command', async (t) => {
    const redis = await FakeRedis.start(([name]) => (name === 'INFO' ? bulk('loading:0') : ERROR('MISCONF broken')));
    t.after(() => redis.close());
    const { code, stderr } = await hfxbus(['inspect', '--url', `redis://127.0.0.1:${redis.options.port}`]);
    assert.strictEqual(code, 1);
    assert.match(stderr, /^hfxbus: 127\.0\.0\.1:\d+: MISCONF broken/);
  });
});
