'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { fakeNode, named } = require('../support/fake-cluster.js');
const { ERROR } = require('../support/fake-redis.js');
const { until } = require('../support/wait-until.js');

ours('the number of commands that wait for a retry is limited by maxQueuedCommands', async (_, scene) => {
  let isDown = true;
  const node = await fakeNode(scene, ([name]) => (name === 'GET' && isDown ? ERROR('CLUSTERDOWN no') : undefined));
  const { host, port } = node.options;
  const most = 10;
  const options = { redisOptions: { maxQueuedCommands: most }, retryDelayOnClusterDown: 2000 };
  const client = scene.adopt(scene.hfxbus.ConnectionManager.cluster([{ host, port }], options)).getClient('mine');
  await client.ping();
  const get = () => Array.from({ length: most }, () => client.get('k').catch(({ code }) => code));
  const first = get();
  await until(() => named(node, 'GET').length === most);
  // All of these find a connection where nothing waits.
  assert.deepStrictEqual(await Promise.all(get()), Array(most).fill('QUEUE_FULL'));
  isDown = false;
  assert.deepStrictEqual(await Promise.all(first), Array(most).fill('OK'));
  assert.deepStrictEqual(await Promise.all(get()), Array(most).fill('OK'));
});
