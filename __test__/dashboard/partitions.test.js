'use strict';

/* Partitioned streams and retention in the dashboard. */

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { createDashboard } = require('../../dashboard.js');
const { ConnectionManager, Consumer, Producer } = require('../../index.js');
const { keys } = require('../support/keys.js');
const { ARRANGEMENTS, HELD, SENT, partitionedBus, partitionsIn } = require('../support/partitioned-bus.js');
const { RedisServer } = require('../support/redis-server.js');
const { countsEntries } = require('../support/stream-counts.js');
const { until } = require('../support/wait-until.js');

const PATIENCE = { timeout: 20_000 };

function open(t, connection, options = {}) {
  const dashboard = createDashboard(connection, { public: true, interval: 500, ...options });
  t.after(() => dashboard.close());
  return async (name, query = {}) => {
    const response = await dashboard.fetch(new Request(`http://host/api/${name}?${new URLSearchParams(query)}`));
    const body = await response.json();
    if (response.status !== 200) throw new Error(`${name}: ${response.status} ${body.message}`);
    return body.data;
  };
}

async function server(t) {
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  return redis;
}

/** Resolves with the rows of the overview once they are as expected. */
function rowsWhen(read, isReady) {
  return until(async () => {
    const { rows, ...rest } = await read('overview');
    return isReady(rows) && { rows, ...rest };
  }, PATIENCE);
}

for (const arrangement of ARRANGEMENTS) {
  describe(`the dashboard of a partitioned stream on ${arrangement}`, () => {
    it('has one row for each group, and a page with the partitions', async (t) => {
      const { connection, servers } = await partitionedBus(t, arrangement);
      const parts = await partitionsIn(servers);
      const counts = await countsEntries(parts[0].server, parts[0].key);
      const nodes = new Set(parts.map(({ server: { port } }) => `127.0.0.1:${port}`));
      const read = open(t, connection);
      const isReady = (rows) => rows.length === 2 && rows.every((row) => row.isDetailed && row.length === SENT);
      const { rows, totals, findings } = await rowsWhen(read, isReady);
      const [billing, shipping] = rows;
      assert.deepStrictEqual(
        [billing, shipping].map(({ stream, partitions, group }) => [stream, partitions, group]),
        ['billing', 'shipping'].map((group) => ['orders', 4, group]),
      );
      assert.deepStrictEqual([new Set(billing.nodes), billing.nodes.length], [nodes, nodes.size]);
      assert.deepStrictEqual([billing.pending, billing.lag], [0, counts ? SENT : null]);
      assert.ok(shipping.pending >= HELD && shipping.pending <= SENT, `${shipping.pending}`);
      assert.deepStrictEqual([shipping.consumers, shipping.active], [1, 1]);
      assert.strictEqual(totals.streams, 1);
      assert.ok(findings.every(({ check, state }) => check !== 'partitions' || state === 'ok'));

      const page = await read('stream', { stream: 'orders', partitions: 1 });
      assert.deepStrictEqual([page.partitions, page.totals.length, page.partCount], [4, SENT, 4]);
      assert.deepStrictEqual(
        page.parts.map(({ stream, node }) => [stream, node]),
        parts.map(({ key, server: { port } }) => [key.slice(keys.stream('').length), `127.0.0.1:${port}`]),
      );
      const sum = (figure) => page.parts.reduce((all, part) => all + part[figure], 0);
      assert.deepStrictEqual([sum('length'), sum('pending')], [SENT, shipping.pending]);
      const group = await read('group', { stream: 'orders', partitions: 1, group: 'shipping' });
      assert.deepStrictEqual([group.partitions, group.pending, group.consumers.length], [4, shipping.pending, 1]);
      assert.deepStrictEqual([group.consumers[0].pending, group.entries.length], [shipping.pending, shipping.pending]);
      const [{ stream, id }] = group.entries;
      assert.match((await read('entry', { stream, id })).jobId, /./);

      const [{ stream: name, length }] = page.parts;
      const single = await read('stream', { stream: name });
      assert.deepStrictEqual([single.partitions, single.totals.length, single.rows.length], [null, length, 2]);
      await assert.rejects(read('stream', { stream: 'orders' }), /no such stream/);
      const { results } = await read('find', { q: 'orders' });
      assert.deepStrictEqual(results[0], { kind: 'stream', bus: 0, stream: 'orders', partitions: 4 });
      assert.deepStrictEqual((await read('find', { q: name })).results[0], { kind: 'stream', bus: 0, stream: name });
    });

    it('finds the partitions of a given stream', async (t) => {
      const { connection, producer } = await partitionedBus(t, arrangement);
      await producer.send({ stream: 'others', job: producer.job() });
      const read = open(t, connection, { streams: ['orders'] });
      const { rows, search } = await rowsWhen(read, (found) => found.length === 2 && found[0].length === SENT);
      assert.ok(rows.every(({ stream }) => stream === 'orders'));
      assert.strictEqual(search.isComplete, true);
    });
  });
}

describe('the dashboard of a bus with partitions', () => {
  it('has one finding for all partitions of a stream, and one for a group that some do not have', async (t) => {
    const redis = await server(t);
    await redis.call('APPEND', 'hfxbus:prt:orders', '3 ');
    for (const name of ['orders#0', 'orders#1', 'orders#2', 'orders']) {
      await redis.call('XADD', keys.stream(name), '*', 'prd', 'p', 'job', 'j');
    }
    for (const name of ['orders#0', 'orders#2']) {
      await redis.call('XGROUP', 'CREATE', keys.stream(name), keys.group('billing'), '0');
    }
    const connection = ConnectionManager.standalone(redis.options);
    t.after(() => connection.stop({ force: true }));
    const read = open(t, connection);
    const { rows, findings } = await until(async () => {
      const found = await read('overview');
      return found.findings.some(({ check }) => check === 'partitions') && found;
    }, PATIENCE);
    const details = findings.filter(({ state }) => state !== 'ok').map(({ detail }) => detail);
    assert.ok(
      details.some((detail) => /of orders#0 is stuck: .*; and the same of 1 more of 3 partitions/.test(detail)),
    );
    const missing = findings.find(({ check }) => check === 'partitions');
    assert.match(missing.detail, /^the group billing is on 2 of 3 partitions of orders only, and not on 1: /);
    assert.deepStrictEqual([missing.stream, missing.partitions, missing.group], ['orders', 3, 'billing']);
    // The stream without partitions of the same name is another one.
    assert.deepStrictEqual(
      rows.map(({ stream, partitions, group, length }) => [stream, partitions, group, length]).sort(),
      [
        ['orders', 3, 'billing', 2],
        ['orders', 3, null, 1],
        ['orders', null, null, 1],
      ].sort(),
    );
  });

  it('says what retention has removed, and which group holds the rest', async (t) => {
    const redis = await server(t);
    const connection = ConnectionManager.standalone({ ...redis.options, retain: 'acknowledged', retainFor: 100 });
    t.after(() => connection.stop({ force: true }));
    const consumer = new Consumer(connection, { group: 'billing' });
    const processor = (job) => (job.id === 'held' ? new Promise(() => {}) : undefined);
    const of = { stream: 'orders', partitions: 2 };
    await consumer
      .process({ ...of, processor })
      .process({ stream: 'mails', processor })
      .play();
    const producer = new Producer(connection);
    for (const send of [of, { stream: 'mails' }]) {
      for (let at = 0; at < 4; at++) await producer.send({ ...send, job: producer.job() });
    }
    const lengths = ['orders#0', 'orders#1', 'mails'].map((name) => keys.stream(name));
    await until(
      async () => (await Promise.all(lengths.map((key) => redis.call('XLEN', key)))).every((one) => one === 0),
      PATIENCE,
    );
    await producer.send({ stream: 'mails', job: producer.job('held') });
    const [entry] = await until(
      async () => (await redis.call('XPENDING', lengths[2], keys.group('billing'), '-', '+', 1))[0],
    );
    const read = open(t, connection);
    const retentionOf = (query, isReady) => {
      return until(async () => {
        const { retention } = await read('stream', query);
        return retention !== null && isReady(retention) && retention;
      }, PATIENCE);
    };
    const mails = await retentionOf({ stream: 'mails' }, ({ heldBy }) => heldBy !== null);
    const removed = (await countsEntries(redis, lengths[2])) ? 4 : null;
    assert.deepStrictEqual([mails.removed, mails.heldBy], [removed, { group: 'billing', entry }]);
    const orders = await retentionOf({ stream: 'orders', partitions: 1 }, (found) => found.removed === removed);
    assert.strictEqual(orders.heldBy, null);
    await redis.call('XADD', keys.stream('plain'), '*', 'prd', 'p', 'job', 'j');
    assert.strictEqual((await read('stream', { stream: 'plain' })).retention, null);
  });
});
