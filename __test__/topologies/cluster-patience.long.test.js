'use strict';

const assert = require('node:assert');
const { setTimeout: sleep } = require('node:timers/promises');
const { ours } = require('../support/cases.js');
const { fakeNode } = require('../support/fake-cluster.js');

/** Time that a command waits for a Cluster, in ms. */
const PATIENCE = 20000;

ours('a command waits for a Cluster for a limited time, with known and with unknown slots', async (_, scene) => {
  const node = await fakeNode(scene);
  const { host, port } = node.options;
  const open = () => scene.adopt(scene.hfxbus.ConnectionManager.cluster([{ host, port }])).getClient('mine');
  const known = open();
  await known.ping();
  node.close();
  const fails = async (client) => {
    const started = performance.now();
    await assert.rejects(client.get('k'), { code: 'ECONNREFUSED', command: 'GET', node: `${host}:${port}` });
    return performance.now() - started;
  };
  const unknown = open();
  const failing = [fails(known), fails(unknown)];
  // Each command has its own time.
  await sleep(2000);
  failing.push(fails(unknown));
  for (const took of await Promise.all(failing)) {
    assert.ok(took > PATIENCE - 500 && took < PATIENCE + 4000, `${took} ms`);
  }
});

ours('a producer that subscribes waits for a Cluster for a limited time', async (_, scene) => {
  const node = await fakeNode(scene);
  const { host, port } = node.options;
  node.close();
  const connection = scene.adopt(scene.hfxbus.ConnectionManager.cluster([{ host, port }]));
  const producer = scene.producer(connection);
  const started = performance.now();
  const failure = {
    code: 'ECONNREFUSED',
    message: `Failed to refresh slots cache: connect ECONNREFUSED ${host}:${port}`,
  };
  await Promise.all([
    assert.rejects(producer.listen(), failure),
    assert.rejects(scene.producer(connection).listen(scene.stream), failure),
    assert.rejects(producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['g'] }), failure),
  ]);
  const took = performance.now() - started;
  assert.ok(took > PATIENCE - 500 && took < PATIENCE + 4000, `${took} ms`);
});
