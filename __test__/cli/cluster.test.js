'use strict';

const assert = require('node:assert');
const { after, before, describe, it } = require('node:test');
const { asked, hfxbus } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { RedisCluster } = require('../support/redis-cluster.js');
const { RedisServer } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');
const { everyVerb, fill } = require('./bus.js');

describe('npx hfxbus on a Cluster', () => {
  let cluster;
  let url;

  before(async () => {
    cluster = await RedisCluster.start();
    url = `redis://127.0.0.1:${cluster.primaries[0].port}`;
  });
  after(() => cluster?.kill());

  const streams = ['a', 'b', 'c', 'd', 'e', 'f'];

  it('finds every stream through one node, and names the node of each stream', async () => {
    for (const stream of streams) {
      await cluster.call('XADD', keys.stream(stream), '*', 'prd', 'p', 'job', `of-${stream}`);
    }
    const { code, said } = await asked(['inspect', '--url', url]);
    assert.strictEqual(code, 0);
    const found = said.streams.sort((left, right) => (left.stream < right.stream ? -1 : 1));
    const expected = await Promise.all(
      streams.map(async (stream) => [stream, `127.0.0.1:${(await cluster.home(keys.stream(stream))).port}`]),
    );
    assert.deepStrictEqual(
      found.map(({ stream, node }) => [stream, node]),
      expected,
    );
    assert.ok(new Set(expected.map(([, node]) => node)).size > 1, 'they are on several nodes');
    const one = await asked(['inspect', 'f', '--url', url]);
    assert.deepStrictEqual([one.code, one.said.streams.length], [0, 1]);
    const looks = await asked(['watch', '--count', '1', '--interval', '50', '--url', url]);
    assert.deepStrictEqual([looks.code, looks.said.streams.length], [0, streams.length]);
    const why = await asked(['why', 'of-f', '--url', url]);
    assert.deepStrictEqual([why.code, why.said.entries.length], [0, 1]);
  });

  it('checks the slots, and the rights on every node', async () => {
    const { code, said } = await asked(['doctor', '--url', url]);
    const slots = said.findings.filter(({ check }) => check === 'slots');
    assert.deepStrictEqual(
      slots.map(({ state }) => state),
      ['ok', 'ok', 'ok'],
    );
    assert.match(slots[0].detail, /^16384 of 16384 /);
    assert.strictEqual(said.findings.filter(({ check }) => check === 'rights of consumers').length, 3);
    assert.strictEqual(code, 0, JSON.stringify(said));
  });

  it('names the share of the busiest streams of a node, where the server counts it', async () => {
    const set = (node) => node.call('CONFIG', 'SET', 'cluster-slot-stats-enabled', 'yes').catch(() => null);
    // Before Redis 8.2 and Valkey 8 there is no such setting.
    const counts = (await Promise.all(cluster.primaries.map(set))).every((reply) => reply === 'OK');
    const key = keys.stream('share');
    for (let at = 0; at < 50; at++) await cluster.call('XADD', key, '*', 'prd', 'p', 'job', `job-${at}`);
    const { code, said } = await asked(['doctor', '--url', url]);
    const loads = said.findings.filter(({ check }) => check === 'load');
    assert.deepStrictEqual([code, loads.length], [0, counts ? 3 : 0]);
    if (!counts) return;
    const node = `127.0.0.1:${(await cluster.home(key)).port}`;
    assert.match(loads.find((load) => load.node === node).detail, /^share of the node's CPU time: share \d+ %/);
  });

  it('replays a dead letter to the node of its stream', async () => {
    const letter = ['prd', 'p', 'job', 'lost', 'str', 'a', 'eid', '1-1', 'grp', 'g', 'dlv', '3', 'rsn', 'exhausted'];
    await cluster.call('XADD', keys.stream('letters'), '5-1', ...letter);
    const length = await cluster.call('XLEN', keys.stream('a'));
    const { code, said } = await asked(['dead-letters', 'replay', 'letters', '5-1', '--yes', '--url', url]);
    assert.strictEqual(code, 0, JSON.stringify(said));
    assert.strictEqual(await cluster.call('XLEN', keys.stream('a')), length + 1);
    assert.strictEqual(await cluster.call('XLEN', keys.stream('letters')), 0);
  });

  it('finds a single node that does not know its own name', async (t) => {
    const only = await RedisServer.start('--cluster-enabled', 'yes');
    t.after(() => only.kill());
    await only.call('CLUSTER', 'ADDSLOTS', ...Array.from({ length: 16384 }, (_, slot) => slot));
    await until(async () => (await only.call('CLUSTER', 'INFO')).includes('cluster_state:ok'), { timeout: 20000 });
    const { code, said } = await asked(['doctor', '--url', `redis://127.0.0.1:${only.port}`]);
    assert.deepStrictEqual(
      [code, ...new Set(said.findings.map(({ node }) => node))],
      [0, `127.0.0.1:${only.port}`],
      JSON.stringify(said),
    );
  });

  it('authenticates on every node as the user of the URL, and shows no password', async (t) => {
    const start = async (...args) => {
      const node = await RedisServer.start(...args);
      await node.call('ACL', 'SETUSER', 'ann', 'on', '>s@cret', '~*', '&*', '+@all');
      return node;
    };
    const closed = await RedisCluster.start({ kind: { start } });
    t.after(() => closed.kill());
    await fill((...words) => closed.call(...words));
    // From now on new connections need a password, and open connections stay.
    for (const node of closed.nodes) await node.call('ACL', 'SETUSER', 'default', 'off');
    const { port } = closed.primaries[1];
    await everyVerb(['--url', `redis://ann:s%40cret@127.0.0.1:${port}`]);
    const { code, stderr } = await hfxbus(['inspect', '--url', `redis://ann:guessed@127.0.0.1:${port}`]);
    assert.strictEqual(code, 1);
    assert.doesNotMatch(stderr, /guessed|cret/);
  });

  it('reports slots without a node and unreachable nodes, and still checks the others', async (t) => {
    const broken = await RedisCluster.start();
    t.after(() => broken.kill());
    await fill((...words) => broken.call(...words));
    const [first, , last] = broken.primaries;
    const where = ['--url', `redis://127.0.0.1:${first.port}`];
    for (const node of broken.nodes) await node.call('CLUSTER', 'DELSLOTS', '16383');
    const isDown = async (node) => (await node.call('CLUSTER', 'INFO')).includes('cluster_state:fail');
    await until(async () => (await Promise.all(broken.nodes.map(isDown))).every(Boolean), { timeout: 20000 });
    const down = await asked(['doctor', ...where]);
    const of = (said, check) => said.findings.filter((finding) => finding.check === check);
    const slots = of(down.said, 'slots').find(({ node }) => node === `127.0.0.1:${first.port}`);
    assert.deepStrictEqual([down.code, slots.state], [1, 'problem']);
    assert.match(slots.detail, /^16383 of 16384 slots have a node/);
    assert.match(of(down.said, 'groups')[0].detail, /^not known: CLUSTERDOWN /);

    last.kill();
    const { code, said } = await asked(['doctor', ...where]);
    assert.strictEqual(code, 1);
    const [away] = of(said, 'connection');
    assert.deepStrictEqual([away.state, away.node], ['problem', `127.0.0.1:${last.port}`]);
    assert.match(away.detail, /ECONNREFUSED/);
    assert.strictEqual(of(said, 'version').length, 2);
  });
});
