'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

ours('a live history of a Cluster follows its stream to another node', async (_, scene) => {
  const cluster = await scene.cluster();
  const connection = scene.connectCluster(cluster);
  const producer = scene.producer(connection);
  const send = (event) => {
    return producer.send({ stream: scene.stream, job: producer.job().set('event', event), payload: 'entry' });
  };
  for (let event = 0; event < 30; event++) await send(event);
  const events = [];
  const history = connection.history({ stream: scene.stream, live: true, blockTimeout: 200 });
  const ended = (async () => {
    for await (const { values } of history) events.push(values.event);
  })().catch((error) => error);
  await until(() => events.length === 30);
  const key = keys.stream(scene.stream);
  const from = cluster.primaries.indexOf(await cluster.home(key));
  await cluster.move([await cluster.slot(key)], cluster.primaries[(from + 1) % 3]);
  for (let event = 30; event < 60; event++) await send(event);
  await until(() => events.length >= 60);
  assert.deepStrictEqual(
    events,
    Array.from({ length: 60 }, (_, event) => event),
  );
  await connection.stop();
  assert.strictEqual((await ended).code, 'CONNECTION_CLOSED');
});
