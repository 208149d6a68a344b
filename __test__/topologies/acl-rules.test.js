'use strict';

/* That docs/production.md names the rights which a bus needs, and no other. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { documentedRights } = require('../support/documented-rights.js');
const { addUser, completeTour, unexpectedRefusals } = require('./acl-trial.js');

const { commands } = documentedRights();

ours('with the documented rights a bus can do everything, and is refused nothing', async (_, scene) => {
  assert.deepStrictEqual(await completeTour(scene, commands), { errors: [], refused: [] });
});

ours('on a Cluster a bus also needs the right to query its slots', async (_, scene) => {
  const cluster = await scene.cluster();
  const username = await addUser(scene, [...commands, '+cluster|slots', '+asking'], cluster.nodes);
  const connection = scene.connectCluster(cluster, { redisOptions: { username, password: 'secret' } });
  const consumer = await scene.play(async () => {}, { connection, claimInterval: 20 });
  const producer = scene.producer(connection);
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  assert.ok((await job.finished(10_000))[scene.group] instanceof Date);
  await consumer.pause();
  await connection.stop();
  assert.deepStrictEqual(await unexpectedRefusals(username, cluster.nodes), []);
});
