'use strict';

const assert = require('node:assert');
const { after, before, beforeEach, describe, it } = require('node:test');
const { asked, hfxbus, start } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { RedisServer } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');
const replay = require('../../src/cli/replay.js');
const { UsageError } = require('../../src/cli/usage-error.js');
const { ConnectionManager, Consumer, Producer } = require('../../index.js');

let redis;
let url;

before(async () => {
  redis = await RedisServer.start();
  url = ['--url', `redis://127.0.0.1:${redis.port}`];
});
after(() => redis.kill());
beforeEach(() => redis.call('FLUSHALL'));

/** Adds entries with the ids `1000-0`, `2000-0`, … and their number as the value `event`. */
async function fill(count, server = redis, stream = 'orders') {
  for (let at = 1; at <= count; at++) {
    await server.call('XADD', keys.stream(stream), `${at}000-0`, 'prd', 'p', 'job', `j${at}`, 'val:event', `${at}`);
  }
}

const lines = (text) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

describe('npx hfxbus export', () => {
  it('writes a JSON object a line, with the values of the entry and of payload keys', async () => {
    await fill(2);
    await redis.call('XADD', keys.stream('orders'), '3000-0', 'prd', 'p', 'job', 'j3', 'val:raw', Buffer.from([255]));
    await redis.call('XADD', keys.stream('orders'), '4000-0', 'temperature', '21');
    await redis.call('SET', keys.payload('j2', 'large'), '{"a":1}');
    const { code, stdout, stderr } = await hfxbus(['export', 'orders', '--keys', 'large', ...url]);
    assert.deepStrictEqual([code, stderr], [0, '']);
    const common = { stream: 'orders' };
    const sent = { ...common, producer: 'p' };
    assert.deepStrictEqual(lines(stdout), [
      { id: '1000-0', time: '1970-01-01T00:00:01.000Z', ...sent, job: 'j1', values: { event: 1, large: null } },
      { id: '2000-0', time: '1970-01-01T00:00:02.000Z', ...sent, job: 'j2', values: { event: 2, large: { a: 1 } } },
      {
        id: '3000-0',
        time: '1970-01-01T00:00:03.000Z',
        ...sent,
        job: 'j3',
        values: { raw: { base64: '/w==' }, large: null },
      },
      { id: '4000-0', time: '1970-01-01T00:00:04.000Z', ...common, fields: { temperature: '21' } },
    ]);
  });

  it('begins and ends where it is told, by ids, times and a number', async () => {
    await fill(5);
    const ids = async (...words) => {
      const { code, stdout } = await hfxbus(['export', 'orders', ...words, ...url]);
      assert.strictEqual(code, 0);
      return lines(stdout).map(({ values }) => values.event);
    };
    assert.deepStrictEqual(await ids('--from', '2000-0'), [3, 4, 5]);
    assert.deepStrictEqual(await ids('--since', '1970-01-01T00:00:02Z', '--until', '4000'), [2, 3]);
    assert.deepStrictEqual(await ids('--count', '2'), [1, 2]);
  });

  it('reports removed entries on stderr, and exits with 1', async () => {
    await fill(5);
    await redis.call('XTRIM', keys.stream('orders'), 'MAXLEN', '2');
    const { code, stdout, stderr } = await hfxbus(['export', 'orders', '--from', '2000-0', ...url]);
    assert.deepStrictEqual([code, lines(stdout).map(({ id }) => id)], [1, ['4000-0', '5000-0']]);
    assert.match(stderr, /^hfxbus: .*entries after 2000-0 were removed/);
    const missing = await hfxbus(['export', 'nothing', ...url]);
    assert.deepStrictEqual([missing.code, missing.stdout], [1, '']);
  });

  it('follows a stream until Ctrl-C, and ends with a reader that has closed the pipe', async () => {
    await fill(1);
    const run = start(['export', 'orders', '--follow', ...url]);
    await until(() => lines(run.stdout).length === 1);
    await redis.call('XADD', keys.stream('orders'), '9000-0', 'prd', 'p', 'job', 'j9', 'val:event', '9');
    await until(() => lines(run.stdout).length === 2);
    run.child.kill('SIGINT');
    assert.deepStrictEqual([await run.ended, run.stderr], [0, '']);
    const cut = start(['export', 'orders', '--follow', ...url]);
    await until(() => lines(cut.stdout).length === 2);
    cut.child.stdout.destroy();
    await until(async () => {
      await redis.call('XADD', keys.stream('orders'), '*', 'prd', 'p', 'job', 'j', 'val:event', '1');
      return cut.child.exitCode !== null;
    });
    assert.strictEqual(cut.child.exitCode, 0);
  });

  it('exports each node of nodes() with its name', async (t) => {
    const other = await RedisServer.start();
    t.after(() => other.kill());
    await fill(1);
    await fill(2, other);
    const { code, stdout } = await hfxbus(['export', 'orders', ...url, '--url', `redis://127.0.0.1:${other.port}`]);
    const found = lines(stdout).map(({ node, id }) => `${node.split(':').at(-1) === `${redis.port}`} ${id}`);
    assert.deepStrictEqual([code, found], [0, ['true 1000-0', 'false 1000-0', 'false 2000-0']]);
  });
});

describe('npx hfxbus replay', () => {
  const group = ['--group', 'mailers'];

  async function read(count) {
    await fill(count);
    const [key, name] = [keys.stream('orders'), keys.group('mailers')];
    await redis.call('XGROUP', 'CREATE', key, name, '0');
    return { key, name };
  }

  const position = async () => {
    const [fields] = await redis.call('XINFO', 'GROUPS', keys.stream('orders'));
    return fields[fields.indexOf('last-delivered-id') + 1];
  };

  it('shows the effect first, and sets the group with --apply', async () => {
    const { key, name } = await read(5);
    await redis.call('XGROUP', 'SETID', key, name, '4000-0');
    const dry = await asked(['replay', 'orders', ...group, '--from', '1000-0', ...url]);
    const [plan] = dry.said.plans;
    const shown = {
      position: '4000-0',
      target: '1000-0',
      again: 3,
      skipped: 0,
      pending: 0,
      active: [],
      oldest: '1000-0',
    };
    assert.deepStrictEqual(
      [dry.code, dry.said.applied, plan],
      [0, false, { stream: 'orders', node: plan.node, ...shown }],
    );
    assert.strictEqual(await position(), '4000-0');
    const { code, stdout } = await hfxbus(['replay', 'orders', ...group, '--since', '2000', '--apply', ...url]);
    assert.deepStrictEqual([code, await position()], [0, '1999-18446744073709551615']);
    assert.match(stdout, /The group is set/);
    const forward = await asked(['replay', 'orders', ...group, '--from', '$', '--apply', ...url]);
    assert.deepStrictEqual([forward.said.plans[0].skipped, await position()], [4, '5000-0']);
  });

  it('is refused while consumers are active, unless --yes confirms it; the jobs run again', async (t) => {
    const { options } = redis;
    const connection = ConnectionManager.standalone(options);
    t.after(() => connection.stop({ force: true }));
    const ran = [];
    const consumer = new Consumer(connection, { group: 'mailers', id: 'alice' });
    consumer.process({ stream: 'orders', processor: async (job) => ran.push((await job.get('n', false).pull()).n) });
    await consumer.play();
    const producer = new Producer(connection);
    for (let n = 0; n < 3; n++)
      await producer.send({ stream: 'orders', job: producer.job().set('n', n), payload: 'entry' });
    await until(() => ran.length === 3);
    const refused = await hfxbus(['replay', 'orders', ...group, '--from', '0', '--apply', ...url]);
    assert.strictEqual(refused.code, 1);
    assert.match(refused.stdout, /Active consumers: alice\nNothing was changed/);
    assert.strictEqual(ran.length, 3);
    const confirmed = await hfxbus(['replay', 'orders', ...group, '--from', '0', '--apply', '--yes', ...url]);
    assert.strictEqual(confirmed.code, 0);
    await producer.send({ stream: 'orders', job: producer.job().set('n', 3), payload: 'entry' });
    await until(() => ran.length === 7);
    assert.deepStrictEqual(ran, [0, 1, 2, 0, 1, 2, 3]);
  });

  it('exits with 1 without the group', async () => {
    await fill(1);
    const { code, stdout } = await hfxbus(['replay', 'orders', ...group, '--from', '0', ...url]);
    assert.deepStrictEqual([code, stdout], [1, 'There is no group mailers in this stream.\n']);
  });

  for (const words of [
    ['--from', '0'],
    [...group],
    [...group, '--from', 'x'],
    [...group, '--from', '0', '--since', '5'],
    [...group, '--since', 'yesterday'],
  ]) {
    it(`refuses ${words.join(' ')}`, () => assert.rejects(replay.run(['orders', ...words, ...url]), UsageError));
  }
});
