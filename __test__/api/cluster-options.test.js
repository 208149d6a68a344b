'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { DEFAULT_CLUSTER_OPTIONS } = require('ioredis/built/cluster/ClusterOptions.js');
const { ours } = require('../support/cases.js');
const { documentedOptions } = require('../support/documented-options.js');
const { NIL, OK } = require('../support/fake-redis.js');
const { frozen } = require('../support/frozen-objects.js');
const { REFUSED, WITHOUT_EFFECT, WORKING, connect, fake } = require('./option-cases/cluster.js');

/** Commands that begin a connection; their number can differ by one. */
const OPENING = ['INFO', 'CLIENT', 'CLUSTER'];

const working = documentedOptions('options of a Cluster');
const others = documentedOptions('other options of a Cluster');

test('every documented option of a Cluster has a case here, and every case is documented', () => {
  const of = (verdict) => others.filter((one) => one.verdict.includes(verdict)).map(({ option }) => option);
  assert.deepStrictEqual(Object.keys(WORKING).sort(), working.map(({ option }) => option).sort());
  assert.deepStrictEqual(Object.keys(WITHOUT_EFFECT).sort(), of('without effect').sort());
  assert.deepStrictEqual(Object.keys(REFUSED).sort(), of('Error').sort());
});

test('every option that ioredis 4 has a default for is documented', () => {
  const known = [...working, ...others].map(({ option }) => option);
  assert.deepStrictEqual(
    Object.keys(DEFAULT_CLUSTER_OPTIONS).filter((option) => !known.includes(option)),
    [],
  );
});

for (const { option } of working) {
  ours(`the option ${option} of a Cluster does what it does in ioredis`, (_, scene) => WORKING[option](scene));
}

for (const option of Object.keys(WITHOUT_EFFECT)) {
  ours(`the option ${option} of a Cluster changes nothing`, async (_, scene) => {
    const said = async (options) => {
      const server = await fake(scene, ([command]) => (command === 'SET' ? OK : NIL));
      const connection = connect(scene, server, { ...options, slotsRefreshInterval: 0 });
      const job = scene.producer(connection).job('job-1').set('a', 1).set('b', 2);
      await job.push();
      await job.get('a').pull();
      return server.commands.filter(([command]) => !OPENING.includes(command));
    };
    const expected = await said({});
    for (const value of WITHOUT_EFFECT[option]) assert.deepStrictEqual(await said({ [option]: value }), expected);
  });
}

for (const [option, [options, message]] of Object.entries(REFUSED)) {
  ours(`${option} of a Cluster is refused`, (_, { hfxbus }) => {
    const startup = [{ host: '127.0.0.1', port: 1 }];
    assert.throws(() => hfxbus.ConnectionManager.cluster(startup, options), { name: 'TypeError', message });
  });
}

ours(
  'a Cluster’s nodes may be named as objects, ports, URLs and addresses, and one of them may be down',
  async (_, scene) => {
    const server = await fake(scene);
    const { port } = server.options;
    const down = { host: '127.0.0.1', port: 1 };
    for (const node of [server.options, port, String(port), `127.0.0.1:${port}`, `redis://127.0.0.1:${port}`]) {
      const given = frozen([down, node]);
      const connection = scene.adopt(
        scene.hfxbus.ConnectionManager.cluster(given, frozen({ keyPrefix: 'p', natMap: {} })),
      );
      assert.strictEqual(await connection.getClient('mine').get('k'), null);
    }
  },
);

ours('invalid nodes and options are rejected by name', (_, { hfxbus }) => {
  const { ConnectionManager } = hfxbus;
  const one = [{ host: '127.0.0.1', port: 1 }];
  for (const [nodes, options, message] of [
    [undefined, {}, /^startupNodes /],
    [[], {}, /^startupNodes /],
    [[null], {}, /^startupNodes\[0\] /],
    [[one[0], { port: 0 }], {}, /^startupNodes\[1\]\.port /],
    [['redis://:s3cret@host:x'], {}, /^startupNodes\[0\] (?!.*s3cret)/],
    [one, { maxRedirections: -1 }, /^maxRedirections /],
    [['redis://:s3cret%@host:1'], {}, /^startupNodes\[0\] (?!.*s3cret)/],
    [['http://:s3cret@host:1'], {}, /^startupNodes\[0\] (?!.*s3cret)/],
    [one, { retryDelayOnFailover: -1 }, /^retryDelayOnFailover /],
    [one, { retryDelayOnTryAgain: Infinity }, /^retryDelayOnTryAgain must be a finite/],
    [one, { slotsRefreshTimeout: Infinity }, /^slotsRefreshTimeout must be a finite/],
    [one, { natMap: { a: { host: 'h', port: 1 } } }, /^natMap\['a'\] /],
    [one, { natMap: { 'a:1': { host: 'h', port: 'x' } } }, /^natMap\['a:1'\]\.port /],
    [one, { redisOptions: 5 }, /^redisOptions /],
    [one, { redisOptions: { family: 5 } }, /^family /],
    [one, { clusterRetryStrategy: 5 }, /^clusterRetryStrategy /],
  ]) {
    assert.throws(() => ConnectionManager.cluster(nodes, options), { message }, JSON.stringify([nodes, options]));
  }
});
