'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { asked, hfxbus } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { RedisServer } = require('../support/redis-server.js');
const { countsEntries } = require('../support/stream-counts.js');
const { stuckBus } = require('./stuck.js');

describe('npx hfxbus inspect', () => {
  it('reports the length of streams, and the pending and unread entries of each group', async (t) => {
    const { redis, url } = await stuckBus(t);
    const lag = (await countsEntries(redis, keys.stream('mails'))) ? [3, 1] : [null, null];
    const { code, said } = await asked(['inspect', '--url', url]);
    assert.strictEqual(code, 0);
    const [stream, ...others] = said.streams;
    assert.deepStrictEqual(others, []);
    const { oldest, groups, added, ...rest } = stream;
    const node = `127.0.0.1:${redis.port}`;
    assert.deepStrictEqual(rest, { stream: 'mails', node, length: 3, delayed: 0, retention: null });
    const [[first]] = await redis.call('XRANGE', keys.stream('mails'), '-', '+', 'COUNT', 1);
    assert.strictEqual(oldest.id, first);
    assert.ok(oldest.age >= 0 && oldest.age < 60_000, `${oldest.age}`);
    const [archive, mailer] = groups.sort((left, right) => (left.group < right.group ? -1 : 1));
    assert.deepStrictEqual(
      [archive, mailer].map(({ group, pending, consumers }) => [group, pending, consumers.length]),
      [
        ['archive', 0, 0],
        ['mailer', 1, 1],
      ],
    );
    assert.deepStrictEqual([archive.lag, mailer.lag], lag);
    assert.strictEqual(mailer.oldestPending.id, first);
    assert.strictEqual(mailer.oldestPending.deliveries, 1);
    assert.strictEqual(mailer.oldestPending.owner, mailer.consumers[0].name);
    assert.strictEqual(archive.oldestPending, null);
  });

  it('prints the same as tables, and one stream with its consumers', async (t) => {
    const { url } = await stuckBus(t);
    const { code, stdout } = await hfxbus(['inspect', 'mails', '--url', url]);
    assert.strictEqual(code, 0);
    assert.match(stdout, /^stream +node +length +delayed +oldest +group +consumers +pending +lag +oldest pending\n/);
    assert.match(stdout, /^mails +127\.0\.0\.1:\d+ +3 +0 +\d+ \w+ +mailer +1 +1 +(1|not known) +\d+ \w+$/m);
    assert.match(stdout, /^mailer +\S+ +127\.0\.0\.1:\d+ +1 +\d+ \w+$/m);
  });

  it('finds the partitions of a stream by its name', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    await redis.call('APPEND', 'hfxbus:prt:orders', '12 ');
    for (const name of ['orders#0', 'orders#11', 'orders#2', 'orders#x', 'order#1']) {
      await redis.call('XADD', keys.stream(name), '*', 'prd', 'p', 'job', 'j');
    }
    const { said } = await asked(['inspect', 'orders', '--partitions', '--url', `redis://127.0.0.1:${redis.port}`]);
    assert.deepStrictEqual(
      said.streams.map(({ stream }) => stream),
      ['orders#0', 'orders#2', 'orders#11'],
    );
  });

  it('exits with 1 for a missing stream, and normally for no streams at all', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    const url = `redis://127.0.0.1:${redis.port}`;
    assert.deepStrictEqual(await asked(['inspect', 'nothing', '--url', url]), { code: 1, said: { streams: [] } });
    assert.deepStrictEqual(await asked(['inspect', '--url', url]), { code: 0, said: { streams: [] } });
  });

  it('finds streams by the literal prefix, and prints no control characters of names', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    const url = `redis://127.0.0.1:${redis.port}`;
    await redis.call('XADD', keys.stream('evil\x1b[2J', 'b*'), '*', 'prd', 'p', 'job', 'j');
    await redis.call('XADD', keys.stream('other', 'bus'), '*', 'prd', 'p', 'job', 'j');
    await redis.call('SET', keys.stream('text', 'b*'), 'no stream');
    const { said } = await asked(['inspect', '--prefix', 'b*', '--url', url]);
    assert.deepStrictEqual(
      said.streams.map(({ stream }) => stream),
      ['evil\x1b[2J'],
    );
    const { stdout } = await hfxbus(['inspect', '--prefix', 'b*', '--url', url]);
    assert.match(stdout, /^evil\ufffd\[2J /m);
  });

  it('inspects every given node', async (t) => {
    const servers = await Promise.all([RedisServer.start(), RedisServer.start()]);
    t.after(() => servers.map((server) => server.kill()));
    await servers[1].call('XADD', keys.stream('there'), '*', 'prd', 'p', 'job', 'j');
    const urls = servers.flatMap(({ port }) => ['--url', `redis://127.0.0.1:${port}`]);
    const { said } = await asked(['inspect', ...urls]);
    assert.deepStrictEqual(
      said.streams.map(({ stream, node }) => [stream, node]),
      [['there', `127.0.0.1:${servers[1].port}`]],
    );
  });
});
