'use strict';

/* Partitioned streams on the command line. */

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { asked, hfxbus, start } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { ARRANGEMENTS, HELD, OF, SENT, partitionedBus, partitionsIn } = require('../support/partitioned-bus.js');
const { RedisServer } = require('../support/redis-server.js');
const { countsEntries } = require('../support/stream-counts.js');
const { until } = require('../support/wait-until.js');

for (const arrangement of ARRANGEMENTS) {
  describe(`a partitioned stream on ${arrangement}`, () => {
    it('is one row of inspect with the sums of its partitions, and --partitions shows each', async (t) => {
      const { servers, urls } = await partitionedBus(t, arrangement);
      const args = urls.flatMap((url) => ['--url', url]);
      const parts = await partitionsIn(servers);
      assert.strictEqual(parts.length, 4);
      const nodes = new Set(parts.map(({ server }) => `127.0.0.1:${server.port}`));
      const counts = await countsEntries(parts[0].server, parts[0].key);
      for (const words of [['inspect'], ['inspect', 'orders']]) {
        const { code, said } = await asked([...words, ...args]);
        const [{ node, groups, oldest, added, ...sums }, ...others] = said.streams;
        assert.deepStrictEqual([code, others], [0, []]);
        assert.deepStrictEqual(sums, { stream: 'orders', partitions: 4, length: SENT, delayed: 1, retention: null });
        assert.deepStrictEqual([new Set(node.split(', ')), added], [nodes, counts ? SENT : null]);
        assert.ok(oldest.age >= 0);
        const [billing, shipping] = groups.sort((left, right) => (left.group < right.group ? -1 : 1));
        const { partitions, pending, lag } = billing;
        assert.deepStrictEqual([partitions, pending, lag], [4, 0, counts ? SENT : null]);
        // A read takes as many entries of each partition as there are free slots.
        assert.ok(shipping.pending >= HELD && shipping.pending <= SENT, `${shipping.pending}`);
        assert.deepStrictEqual([shipping.partitions, shipping.consumers.length], [4, 1]);
        assert.strictEqual(shipping.consumers[0].pending, shipping.pending);
        if (counts) assert.strictEqual(shipping.lag, SENT - shipping.pending);
        const oldestPending = await Promise.all(
          parts.map(({ server, key }) => server.call('XPENDING', key, keys.group('shipping'), '-', '+', 1)),
        );
        const ids = oldestPending.flat().map(([id]) => id);
        assert.ok(ids.includes(shipping.oldestPending.id));
      }
      const each = await asked(['inspect', 'orders', '--partitions', ...args]);
      assert.deepStrictEqual(
        each.said.streams.map(({ stream, node }) => [stream, node]),
        parts.map(({ key, server }) => [key.slice(keys.stream('').length), `127.0.0.1:${server.port}`]),
      );
      assert.strictEqual(
        each.said.streams.reduce((sum, { length }) => sum + length, 0),
        SENT,
      );
      const { stdout } = await hfxbus(['inspect', ...args]);
      const where = nodes.size === 1 ? [...nodes][0] : `${nodes.size} nodes`;
      assert.match(stdout, /^stream +partitions +node +length +delayed /);
      assert.match(stdout, new RegExp(`^orders +4 +${where} +${SENT} +1 .* billing `, 'm'));
      assert.doesNotMatch(stdout, /#/);
    });

    it('is exported and replayed with all of its partitions', async (t) => {
      const { servers, urls } = await partitionedBus(t, arrangement);
      const args = urls.flatMap((url) => ['--url', url]);
      const parts = await partitionsIn(servers);
      const names = parts.map(({ key }) => key.slice(keys.stream('').length));
      const { code, stdout } = await hfxbus(['export', 'orders', ...args]);
      const lines = stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
      assert.deepStrictEqual([code, lines.length], [0, SENT]);
      assert.deepStrictEqual([...new Set(lines.map(({ stream }) => stream))], names);
      const first = await hfxbus(['export', 'orders', '--count', '2', ...args]);
      assert.strictEqual(first.stdout.split('\n').length, 3);
      const followed = await hfxbus(['export', 'orders', '--follow', '--url', urls[0]]);
      assert.deepStrictEqual([followed.code, followed.stdout], [1, '']);
      assert.match(followed.stderr, /^hfxbus: --follow needs one stream: name a partition, such as orders#\d/);

      const of = ['replay', 'orders', '--group', 'billing', '--from', '$', ...args];
      const { said } = await asked([...of, '--apply', '--yes']);
      assert.deepStrictEqual(
        said.plans.map(({ stream }) => stream),
        names,
      );
      assert.strictEqual(
        said.plans.reduce((sum, { skipped }) => sum + skipped, 0),
        SENT,
      );
      const lag = await Promise.all(
        parts.map(({ server, key }) =>
          server.call('XREADGROUP', 'GROUP', keys.group('billing'), 'c', 'STREAMS', key, '>'),
        ),
      );
      assert.ok(lag.every((entries) => entries === null));
      assert.match((await hfxbus(of)).stdout, /^stream +node +position +target +again +skipped/);
    });

    it('is one row of watch with the sums of the rates', async (t) => {
      const { servers, urls, producer } = await partitionedBus(t, arrangement);
      const args = urls.flatMap((url) => ['--url', url]);
      const [{ server, key }] = await partitionsIn(servers);
      const counts = await countsEntries(server, key);
      const run = start(['watch', 'orders', '--json', '--interval', '100', ...args]);
      t.after(() => run.child.kill('SIGKILL'));
      const said = () => run.stdout.split('\n').slice(0, -1);
      const streams = () => said().flatMap((line) => JSON.parse(line).streams);
      await until(() => said().length > 0);
      for (let at = 0; at < 20; at++) await producer.send({ ...OF, job: producer.job() });
      await until(() => streams().at(-1).length === SENT + 20);
      const isSum = ({ stream, partitions, groups }) => [stream, partitions, groups.length];
      for (const stream of streams()) assert.deepStrictEqual(isSum(stream), ['orders', 4, 2]);
      assert.strictEqual(
        streams().some(({ added }) => added > 0),
        counts,
      );
      run.child.kill('SIGINT');
      assert.deepStrictEqual([await run.ended, run.stderr], [0, '']);
    });
  });
}

describe('names of partitions', () => {
  it('are streams of their own without a count of partitions, and beside it', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    const add = (name) => redis.call('XADD', keys.stream(name), '*', 'prd', 'p', 'job', 'j');
    for (const name of ['orders', 'orders#0', 'orders#1', 'orders#01', 'orders#x', 'other#1']) await add(name);
    const streams = async (...words) => {
      const { said } = await asked(['inspect', ...words, '--url', `redis://127.0.0.1:${redis.port}`]);
      return said.streams.map(({ stream, length }) => [stream, length]);
    };
    const each = [['orders'], ['orders#0'], ['orders#01'], ['orders#1'], ['orders#x'], ['other#1']];
    assert.deepStrictEqual(
      await streams(),
      each.map(([name]) => [name, 1]),
    );
    await redis.call('APPEND', 'hfxbus:prt:orders', '2 ');
    const names = ['orders', 'orders', 'orders#01', 'orders#x', 'other#1'];
    assert.deepStrictEqual(
      await streams(),
      names.map((name, at) => [name, at === 1 ? 2 : 1]),
    );
    assert.deepStrictEqual(await streams('orders#1'), [['orders#1', 1]]);
  });
});
