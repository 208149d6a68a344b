'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');

const JOBS = 24;

/** Runs durable jobs, of which every third fails, while no user can publish; returns the outcome of each. */
async function unheard(scene, { connection, servers, streams, route }) {
  const consumer = scene.consumer({ concurrency: 8, route }, connection);
  const processor = async ({ id }) => {
    if (Number(id) % 3 === 0) throw Object.assign(new Error('no'), { code: 'NO' });
  };
  for (const stream of streams) consumer.process({ stream, processor, fromId: '0' });
  const errors = scene.errors(consumer);
  await consumer.play();
  const producer = scene.producer(connection);
  // Subscribed before, so that nothing is learnt from a subscription that begins.
  await producer.listen();
  const all = (...words) => Promise.all(servers.map((server) => server.call(...words)));
  await all('ACL', 'SETUSER', 'default', '-publish');
  const send = async (_, number) => {
    const stream = streams[number % streams.length];
    const options = { stream, job: producer.job(String(number)), waitFor: [scene.group], durable: true, route };
    const job = await producer.send(options);
    return (await job.finished(5000))[scene.group];
  };
  const outcomes = await Promise.all(Array.from({ length: JOBS }, send));
  await all('ACL', 'SETUSER', 'default', '+publish');
  assert.ok(errors.length > 0);
  assert.ok(errors.every(({ code }) => code === 'REJECT_JOB_ERROR'));
  return outcomes;
}

function assertOutcomes(outcomes) {
  for (const [number, outcome] of outcomes.entries()) {
    if (number % 3 === 0) assert.strictEqual(outcome.code, 'NO', number);
    else assert.ok(outcome instanceof Date, number);
  }
}

ours('on a Cluster outcomes are recovered from their records on any node', async (_, scene) => {
  const cluster = await scene.cluster();
  const streams = await cluster.spread(3, scene.name('stream'), (name) => keys.stream(name));
  const connection = scene.connectCluster(cluster);
  assertOutcomes(await unheard(scene, { connection, servers: cluster.primaries, streams }));
});

ours('with several nodes a record is on the node of its entry', async (_, scene) => {
  const servers = await scene.ownNodes();
  const connection = scene.partition(servers);
  const route = scene.hfxbus.DISTRIBUTED_ROUTING;
  assertOutcomes(await unheard(scene, { connection, servers, streams: [scene.stream], route }));
  for (const server of servers) {
    const entries = await server.call('XRANGE', keys.stream(scene.stream), '-', '+');
    const records = entries.map(([entry]) => keys.record(entry, scene.stream, scene.group));
    assert.ok(records.length > 0);
    assert.deepStrictEqual((await server.call('KEYS', 'hfxbus:rec:*')).sort(), records.sort());
  }
});
