'use strict';

const assert = require('node:assert');
const { after, before, describe, it } = require('node:test');
const { asked } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { RedisCluster } = require('../support/redis-cluster.js');

describe('npx hfxbus on a Cluster', () => {
  let cluster;
  let url;

  before(async () => {
    cluster = await RedisCluster.start();
    url = `redis://127.0.0.1:${cluster.primaries[0].port}`;
  });
  after(() => cluster?.kill());

  const streams = ['a', 'b', 'c', 'd', 'e', 'f'];

  it('finds every stream by one of its nodes, and says on which it is', async () => {
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
    const why = await asked(['why', 'of-f', '--url', url]);
    assert.deepStrictEqual([why.code, why.said.entries.length], [0, 1]);
  });

  it('looks at the slots, and at the rights on every node', async () => {
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

  it('replays a dead letter to where its stream is', async () => {
    const letter = ['prd', 'p', 'job', 'lost', 'str', 'a', 'eid', '1-1', 'grp', 'g', 'dlv', '3', 'rsn', 'exhausted'];
    await cluster.call('XADD', keys.stream('letters'), '5-1', ...letter);
    const length = await cluster.call('XLEN', keys.stream('a'));
    const { code, said } = await asked(['dead', 'replay', 'letters', '5-1', '--yes', '--url', url]);
    assert.strictEqual(code, 0, JSON.stringify(said));
    assert.strictEqual(await cluster.call('XLEN', keys.stream('a')), length + 1);
    assert.strictEqual(await cluster.call('XLEN', keys.stream('letters')), 0);
  });
});
