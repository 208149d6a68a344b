'use strict';

const assert = require('node:assert');
const { channel } = require('node:diagnostics_channel');
const { describe, it } = require('node:test');
const { createDashboard } = require('../../dashboard.js');
const { ConnectionManager, Producer } = require('../../index.js');
const { EmbeddedRedis } = require('../../testing.js');
const certificates = require('../support/certificates.js');
const { keys } = require('../support/keys.js');
const { RawClient } = require('../support/raw-client.js');
const { RedisCluster } = require('../support/redis-cluster.js');
const { RedisServer, freePort } = require('../support/redis-server.js');
const { Sentinel } = require('../support/sentinel-group.js');
const { TlsServer } = require('../support/tls-server.js');
const { until } = require('../support/wait-until.js');
const { UnhealthyBus, unhealthyBus } = require('./unhealthy-bus.js');

const PATIENCE = { timeout: 20_000 };
const HEADERS = { 'content-type': 'application/json', 'x-hfxbus-dashboard': '1', origin: 'http://host' };

/** Creates a dashboard that ends with the test, and returns functions that read it. */
function open(t, connections, options = {}) {
  const dashboard = createDashboard(connections, { public: true, interval: 500, ...options });
  t.after(() => dashboard.close());
  const call = async (path, init) => {
    const response = await dashboard.fetch(new Request(`http://host/api/${path}`, init));
    const body = await response.json();
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${body.message}`);
    return body.data ?? body;
  };
  const read = (name, query = {}) => call(`${name}?${new URLSearchParams(query)}`);
  const act = (body) => call('letters', { method: 'POST', headers: HEADERS, body: JSON.stringify(body) });
  return { read, act };
}

function record(list) {
  return Object.fromEntries(list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1]]] : [])));
}

/** Compares every row of the overview with the replies of Redis. `calls` has a function for each server. */
async function compare(read, calls, names) {
  const { rows } = await until(async () => {
    const found = await read('overview');
    return names.every((name) => found.rows.some(({ stream }) => stream === name)) && found;
  }, PATIENCE);
  for (const name of names) {
    const expected = new Map();
    for (const call of calls) {
      const groups = await call('XINFO', 'GROUPS', keys.stream(name)).catch(() => []);
      for (const group of groups.map(record)) {
        const id = group.name.replace('hfxbus:csr:', '');
        const old = expected.get(id) ?? { pending: 0, consumers: 0, lag: 0 };
        const lag = group.lag === undefined || group.lag === null ? null : group.lag;
        const sum = lag === null || old.lag === null ? null : old.lag + lag;
        expected.set(id, {
          pending: old.pending + group.pending,
          consumers: old.consumers + group.consumers,
          lag: sum,
        });
      }
    }
    const shown = rows.filter(({ stream, group }) => stream === name && group !== null);
    assert.deepStrictEqual(
      new Map(shown.map(({ group, pending, consumers, lag }) => [group, { pending, consumers, lag }])),
      // Before Redis 7 the lag of a group that is behind is not known.
      new Map(
        [...expected].map(([id, one]) => [
          id,
          { ...one, lag: one.lag ?? shown.find(({ group }) => group === id)?.lag },
        ]),
      ),
      name,
    );
  }
  return rows;
}

describe('the pages of a dashboard', () => {
  it('show the figures that Redis tells of a bus in which things went wrong', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    const bus = await unhealthyBus(redis);
    t.after(() => bus.stop());
    const { read } = open(t, bus.connection);
    const rows = await compare(read, [(...words) => redis.call(...words)], ['mails', 'transfers', 'letters']);
    const rowOf = (stream, group) => rows.find((row) => row.stream === stream && row.group === group);
    assert.strictEqual(rowOf('mails', 'archive').state, 'problem');
    assert.deepStrictEqual(rowOf('mails', 'archive').reasons, ['no consumers']);
    assert.strictEqual(rowOf('transfers', 'bank').failing, 1);
    assert.deepStrictEqual([rowOf('letters', null).isDeadLetters, rowOf('letters', null).length], [true, 3]);
    const { findings, totals } = await read('overview');
    const stuck = findings.find(({ check, state }) => check === 'groups' && state === 'problem');
    assert.match(stuck.detail, /^archive of mails is stuck: .* not delivered, and there are no consumers$/);
    assert.deepStrictEqual([totals.streams, totals.groups, totals.deadLetters], [3, 3, 3]);
    const { consumers, entries } = await read('group', { stream: 'mails', group: 'mailer' });
    assert.deepStrictEqual([consumers.length, consumers[0].pending, entries.length], [1, 1, 1]);
    assert.deepStrictEqual((await read('group', { stream: 'transfers', group: 'bank' })).letterStreams, ['letters']);
    const { parts } = await read('stream', { stream: 'mails' });
    assert.deepStrictEqual([parts.length, parts[0].length], [1, await redis.call('XLEN', keys.stream('mails'))]);
    const { nodes } = await read('nodes');
    const info = await redis.call('INFO', 'memory');
    const used = Number(/used_memory:(\d+)/.exec(info)[1]);
    assert.ok(Math.abs(nodes[0].memory - used) < 2 ** 21, `${nodes[0].memory} and ${used}`);
  });

  it('show why a job is not done, and its payload keys', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    const bus = await unhealthyBus(redis);
    t.after(() => bus.stop());
    const { read } = open(t, bus.connection);
    const held = await read('job', { id: 'held' });
    const states = Object.fromEntries(held.entries[0].groups.map(({ group, state }) => [group, state]));
    assert.deepStrictEqual(states, { archive: 'waiting', mailer: 'pending' });
    assert.strictEqual(held.entries[0].groups.find(({ group }) => group === 'mailer').deliveries, 1);
    assert.deepStrictEqual(
      held.payload.map(({ key, bytes }) => [key, bytes]),
      [['to', 17]],
    );
    assert.ok(held.isSearched && held.areKeysSearched);
    const dead = await read('job', { id: 'forged-1' });
    const letter = dead.entries.find(({ deadLetter }) => deadLetter !== null);
    assert.deepStrictEqual(letter.deadLetter, { stream: 'transfers', group: 'bank', reason: 'unrecoverable' });
    const done = dead.entries.find(({ stream }) => stream === 'transfers');
    assert.strictEqual(done.groups[0].state, 'done');
    assert.deepStrictEqual((await read('job', { id: 'nobody' })).entries, []);
    const [pending] = await redis.call('XPENDING', keys.stream('mails'), keys.group('mailer'), '-', '+', '1');
    assert.strictEqual((await read('entry', { stream: 'mails', id: pending[0] })).jobId, 'held');
    // The poller searches for new streams every 30 s.
    await bus.send('brand-new', 'just-sent');
    await until(async () => (await read('job', { id: 'just-sent' })).entries.length === 1, PATIENCE);
  });

  it('lead from a key, an id or a part of a name to its page', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    const bus = await unhealthyBus(redis);
    t.after(() => bus.stop());
    const { read } = open(t, bus.connection);
    await until(async () => (await read('overview')).rows.length > 2, PATIENCE);
    const first = async (q) => (await read('find', { q })).results[0];
    assert.deepStrictEqual(await first(keys.payload('held', 'to')), { kind: 'job', bus: 0, id: 'held' });
    assert.deepStrictEqual(await first(keys.stream('mails')), { kind: 'stream', bus: 0, stream: 'mails' });
    assert.deepStrictEqual(await first('held'), { kind: 'job', bus: 0, id: 'held' });
    assert.deepStrictEqual(await first('ARCH'), { kind: 'group', bus: 0, stream: 'mails', group: 'archive' });
    assert.deepStrictEqual(await read('find', { q: '  ' }), { results: [] });
  });

  it('filter dead letters, count them, and replay and drop some or all, with a message for each', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    const bus = await unhealthyBus(redis);
    t.after(() => bus.stop());
    const messages = [];
    const onMessage = (message) => messages.push(message);
    channel('hfxbus:dashboard').subscribe(onMessage);
    t.after(() => channel('hfxbus:dashboard').unsubscribe(onMessage));
    const { read, act } = open(t, bus.connection, { public: false, authorize: () => ({ user: 'ann' }), actions: true });
    assert.deepStrictEqual((await read('letter-streams')).streams, [{ bus: 0, stream: 'letters', length: 3 }]);
    const all = await read('letters', { stream: 'letters' });
    assert.deepStrictEqual([all.matched, all.isComplete], [3, true]);
    assert.deepStrictEqual(all.facets.group, [{ value: 'bank', count: 3 }]);
    const one = await read('letters', { stream: 'letters', text: 'Account, forged-2' });
    assert.deepStrictEqual(
      one.letters.map(({ jobId }) => jobId),
      ['forged-2'],
    );
    assert.strictEqual((await read('letters', { stream: 'letters', group: 'nobody' })).matched, 0);
    const [{ id, node }] = one.letters;
    const letter = await read('letter', { stream: 'letters', id, node });
    assert.match(letter.error.stack ?? letter.error.message, /no such account, forged-2/);

    const done = await act({
      action: 'drop',
      stream: 'letters',
      letters: [
        { id, node },
        { id, node },
      ],
    });
    assert.deepStrictEqual([done.done, done.missing], [1, 1]);
    assert.strictEqual(await redis.call('XLEN', keys.stream('letters')), 2);
    assert.deepStrictEqual(
      messages.map(({ action, by, stream, letter: { jobId } }) => [action, by, stream, jobId]).slice(0, 1),
      [['drop', 'ann', 'letters', 'forged-2']],
    );
    const length = await redis.call('XLEN', keys.stream('transfers'));
    const counted = await read('letters', { stream: 'letters', count: '1' });
    const again = await act({ action: 'replay', stream: 'letters', filter: {}, newest: counted.newest });
    assert.deepStrictEqual([again.done, again.left], [2, false]);
    assert.strictEqual(await redis.call('XLEN', keys.stream('transfers')), length + 2);
    // The jobs fail again. Their new letters are newer than the count, so the same action leaves them.
    await until(async () => (await redis.call('XLEN', keys.stream('letters'))) === 2, PATIENCE);
    const none = await act({ action: 'drop', stream: 'letters', filter: {}, newest: counted.newest });
    assert.deepStrictEqual([none.done, await redis.call('XLEN', keys.stream('letters'))], [0, 2]);
  });

  it('show the sums of several nodes, and a node that does not answer', async (t) => {
    const servers = await Promise.all([RedisServer.start(), RedisServer.start()]);
    t.after(() => servers.map((server) => server.kill()));
    const nodes = servers.map(({ options }) => options);
    const connection = ConnectionManager.nodes({ nodes });
    t.after(() => connection.stop({ force: true }));
    for (const [at, server] of servers.entries()) {
      await server.call('XGROUP', 'CREATE', keys.stream('mails'), keys.group('mailer'), '0', 'MKSTREAM');
      for (let count = 0; count <= at; count++)
        await server.call('XADD', keys.stream('mails'), '*', 'prd', 'p', 'job', `j${count}`);
      await server.call(
        'XREADGROUP',
        'GROUP',
        keys.group('mailer'),
        `c${at}`,
        'COUNT',
        '1',
        'STREAMS',
        keys.stream('mails'),
        '>',
      );
    }
    await servers[1].call(
      'XADD',
      keys.stream('letters'),
      '9-1',
      'prd',
      'p',
      'job',
      'x',
      'str',
      'mails',
      'eid',
      '1-1',
      'grp',
      'mailer',
      'dlv',
      '3',
      'rsn',
      'exhausted',
    );
    const { read, act } = open(t, connection, { actions: true });
    const [row] = (
      await compare(
        read,
        servers.map(
          (server) =>
            (...words) =>
              server.call(...words),
        ),
        ['mails', 'letters'],
      )
    ).filter(({ group }) => group);
    assert.deepStrictEqual([row.pending, row.consumers, row.nodes.length], [2, 2, 2]);
    const { letters } = await read('letters', { stream: 'letters' });
    assert.deepStrictEqual(
      letters.map(({ id, node }) => [id, node]),
      [['9-1', 1]],
    );
    assert.strictEqual((await act({ action: 'drop', stream: 'letters', letters })).done, 1);
    assert.strictEqual(await servers[1].call('XLEN', keys.stream('letters')), 0);
    servers[1].kill();
    const away = await until(async () => (await read('nodes')).nodes.find(({ isUp }) => !isUp), PATIENCE);
    assert.strictEqual(away.name, `127.0.0.1:${servers[1].port}`);
    assert.match(away.reason, /ECONNREFUSED|closed|ended|lost/i);
    const { findings, rows } = await read('overview');
    assert.ok(findings.some(({ check, state }) => check === 'connection' && state === 'problem'));
    assert.ok(rows.some(({ stream }) => stream === 'mails'));
  });

  it('show a node that the bus has ejected', async (t) => {
    const servers = await Promise.all([RedisServer.start(), RedisServer.start()]);
    t.after(() => servers.map((server) => server.kill()));
    const nodes = servers.map(({ options }) => options);
    const connection = ConnectionManager.nodes({ nodes, eject: { failures: 2, timeout: 200 } });
    t.after(() => connection.stop({ force: true }));
    const { read } = open(t, connection);
    await read('nodes');
    const producer = new Producer(connection);
    // Jobs are on the node of their id, so some of these use the connection to the second one.
    for (let count = 0; count < 30; count++) await producer.job().set('key', count).push();
    servers[1].kill();
    const ejected = async () => (await read('nodes')).nodes.find(({ isEjected }) => isEjected);
    const node = await until(ejected, PATIENCE);
    assert.strictEqual(node.name, `127.0.0.1:${servers[1].port}`);
    const { findings } = await until(async () => {
      const found = await read('overview');
      return found.findings.some(({ detail }) => detail.startsWith('ejected')) && found;
    }, PATIENCE);
    assert.strictEqual(findings[0].state, 'problem');
  });

  it('show a Redis that sentinels know, and a Redis behind TLS', async (t) => {
    const authority = certificates.authority('dashboard');
    const [redis, tls] = await Promise.all([RedisServer.start(), TlsServer.start(certificates.server(authority))]);
    const sentinel = new Sentinel(await freePort());
    sentinel.configure(`sentinel monitor main 127.0.0.1 ${redis.port} 1`);
    await sentinel.start();
    t.after(() => [redis, tls, sentinel].map((server) => server.kill()));
    for (const server of [redis, tls]) await server.call('XADD', keys.stream('mails'), '*', 'prd', 'p', 'job', 'one');
    const connections = {
      sentinel: ConnectionManager.standalone({ sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: 'main' }),
      tls: ConnectionManager.standalone({ port: tls.tlsPort, host: '127.0.0.1', tls: { ca: authority.cert } }),
    };
    t.after(() => Promise.all(Object.values(connections).map((connection) => connection.stop({ force: true }))));
    const { read } = open(t, connections);
    const { rows } = await until(async () => {
      const found = await read('overview');
      return found.rows.length === 2 && found;
    }, PATIENCE);
    assert.deepStrictEqual(
      rows.map(({ bus, stream, nodes }) => [bus, stream, nodes]),
      [
        [0, 'mails', ['main']],
        [1, 'mails', [`127.0.0.1:${tls.tlsPort}`]],
      ],
    );
  });

  it('go on while a node answers nothing', async (t) => {
    const servers = await Promise.all([RedisServer.start(), RedisServer.start()]);
    t.after(() => servers.map((server) => server.kill()));
    const connection = ConnectionManager.nodes({ nodes: servers.map(({ options }) => options) });
    t.after(() => connection.stop({ force: true }));
    const add = (server) => server.call('XADD', keys.stream('mails'), '*', 'prd', 'p', 'job', 'one');
    await Promise.all(servers.map(add));
    const { read } = open(t, connection);
    await until(async () => (await read('overview')).rows[0]?.length === 2, PATIENCE);
    servers[1].freeze();
    await until(async () => (await read('nodes')).nodes.some(({ isUp }) => !isUp), PATIENCE);
    await add(servers[0]);
    await until(async () => (await read('overview')).rows[0].length === 3, PATIENCE);
    servers[1].thaw();
    await until(async () => (await read('nodes')).nodes.every(({ isUp }) => isUp), PATIENCE);
  });

  it('show the streams of all primaries of a Cluster, and act on them', async (t) => {
    const cluster = await RedisCluster.start();
    t.after(() => cluster.kill());
    const connection = ConnectionManager.cluster(cluster.startupNodes.slice(0, 1));
    t.after(() => connection.stop({ force: true }));
    const names = ['mails', 'orders', 'thumbnails', 'transfers'];
    for (const name of names) {
      const home = await cluster.home(keys.stream(name));
      await home.call('XGROUP', 'CREATE', keys.stream(name), keys.group('g'), '0', 'MKSTREAM');
      await cluster.call('XADD', keys.stream(name), '*', 'prd', 'p', 'job', `job of ${name}`);
    }
    await cluster.call('SET', keys.payload('job of orders', 'to'), 'ann');
    await cluster.call(
      'XADD',
      keys.stream('letters'),
      '9-1',
      'prd',
      'p',
      'job',
      'lost',
      'str',
      'orders',
      'eid',
      '1-1',
      'grp',
      'g',
      'dlv',
      '3',
      'rsn',
      'exhausted',
    );
    const { read, act } = open(t, connection, { actions: true });
    const calls = cluster.primaries.map(
      (node) =>
        (...words) =>
          node.call(...words),
    );
    await compare(read, calls, [...names, 'letters']);
    const { nodes } = await read('nodes');
    assert.deepStrictEqual(
      new Set(nodes.map(({ name }) => name)),
      new Set(cluster.primaries.map(({ port }) => `127.0.0.1:${port}`)),
    );
    const { findings } = await read('overview');
    assert.ok(
      findings.some(({ check, state }) => check === 'slots' && state === 'ok'),
      JSON.stringify(findings),
    );
    const job = await read('job', { id: 'job of orders' });
    assert.deepStrictEqual([job.entries.length, job.payload.length], [1, 1]);
    assert.strictEqual((await act({ action: 'replay', stream: 'letters', letters: [{ id: '9-1', node: 0 }] })).done, 1);
    assert.strictEqual(await cluster.call('XLEN', keys.stream('orders')), 2);
  });

  it('show the embedded server, and several buses by their names', async (t) => {
    const servers = await Promise.all([EmbeddedRedis.start(), EmbeddedRedis.start()]);
    t.after(() => Promise.all(servers.map((server) => server.stop())));
    const buses = servers.map(
      (server) =>
        new UnhealthyBus({ call: callOf(t, server), connect: () => ConnectionManager.standalone(server.url) }),
    );
    t.after(() => Promise.all(buses.map((bus) => bus.stop())));
    await Promise.all(buses.map((bus) => bus.fill()));
    await buses[1].send('only-here', 'two');
    const { read } = open(t, { sales: buses[0].connection, mail: buses[1].connection });
    const rows = await until(async () => {
      const found = (await read('overview')).rows;
      return found.length === 9 && found;
    }, PATIENCE);
    assert.deepStrictEqual(
      rows.filter(({ stream }) => stream === 'only-here').map(({ bus }) => bus),
      [1],
    );
    assert.strictEqual(rows.filter(({ stream, group }) => stream === 'mails' && group === 'mailer').length, 2);
    assert.strictEqual((await read('job', { bus: 1, id: 'two' })).entries.length, 1);
    await assert.rejects(read('job', { bus: 7, id: 'two' }), /404 There is no such bus/);
    await assert.rejects(read('stream', { stream: 'nothing' }), /404 There is no such stream/);
  });

  it('show rates and their history while jobs run', async (t) => {
    const redis = await RedisServer.start();
    t.after(() => redis.kill());
    const bus = new UnhealthyBus({
      call: (...words) => redis.call(...words),
      connect: () => ConnectionManager.standalone(redis.options),
    });
    t.after(() => bus.stop());
    await bus.consume('orders', 'billing', async () => {}, { concurrency: 4 });
    bus.flow({ orders: 100 });
    const { read } = open(t, bus.connection);
    const hasCounts = Number.parseFloat(/redis_version:([\d.]+)/.exec(await redis.call('INFO', 'server'))[1]) >= 7;
    const row = await until(async () => {
      const found = (await read('overview')).rows.find(({ group }) => group === 'billing');
      return (
        found &&
        (hasCounts ? found.settled > 20 && found.added > 20 : found.spark.pending.some((value) => value !== null)) &&
        found
      );
    }, PATIENCE);
    const { columns } = await read('group', { stream: 'orders', group: 'billing' });
    assert.strictEqual(columns.length, 5);
    if (hasCounts) assert.ok(row.added < 300 && row.spark.added.some((value) => value > 20), JSON.stringify(row));
  });
});

function callOf(t, { port }) {
  const client = new RawClient(port);
  t.after(() => client.close());
  return (...words) => client.call(...words);
}
