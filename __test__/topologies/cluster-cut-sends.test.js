'use strict';

/* Sends whose connection to a node of a Cluster breaks before the reply, with and without their execution. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');

/** Number of jobs that are sent together. */
const JOBS = 12;
/** The election of a replica, and some time for a busy machine. */
const RECOVERY = { timeout: 20000 };

/** A Cluster of which each primary is behind a proxy, and a producer on it. */
async function cuttable(scene, { cluster: given, streams: count = 1, ...options } = {}) {
  const cluster = given ?? (await scene.cluster());
  const proxies = new Map();
  const places = {};
  for (const node of cluster.nodes) {
    const proxy = await TcpProxy.to(node.port);
    scene.closing(() => proxy.close());
    proxies.set(node, proxy);
    places[`127.0.0.1:${node.port}`] = proxy.options;
  }
  const connection = scene.connectCluster(cluster, { natMap: places, ...options });
  const producer = scene.producer(connection);
  const streams = await cluster.spread(count, scene.name('stream'), keys.stream);
  // Each connection has its session and its first entry.
  for (const stream of streams) await producer.send({ stream, job: producer.job('first') });
  const [stream] = streams;
  const home = await cluster.home(keys.stream(stream));
  return { cluster, producer, streams, stream, home, proxies, proxy: proxies.get(home) };
}

/** Ids of the jobs in a stream, in order. */
async function jobsIn({ cluster, stream: first }, stream = first) {
  const entries = await cluster.call('XRANGE', keys.stream(stream), '-', '+');
  return entries.map(([, fields]) => fields[fields.indexOf('job') + 1]);
}

function jobsOf(producer) {
  return Array.from({ length: JOBS }, (_, at) => producer.job(`job-${at}`));
}

function idsOf(jobs) {
  return jobs.map(({ id }) => id);
}

/** Sends while replies are swallowed, and waits until the node has executed everything. */
async function executed(bus, { count = JOBS, send }) {
  const before = (await jobsIn(bus)).length;
  bus.proxy.muteAt('XADD');
  const sending = Promise.all(send());
  await until(async () => (await jobsIn(bus)).length === before + count, RECOVERY);
  bus.proxy.muteAt(null);
  return sending;
}

/** Sends while requests are swallowed, and cuts. */
async function swallowedAndCut(bus, { send }) {
  const requests = bus.proxy.record();
  bus.proxy.holeAt('XADD');
  const sending = Promise.all(send());
  await until(() => Buffer.concat(requests).includes('XADD'), RECOVERY);
  bus.proxy.holeAt(null);
  bus.proxy.cut();
  return sending;
}

/** Ways of sending jobs. */
const WAYS = {
  sends: ({ producer, stream }, jobs) => jobs.map((job) => producer.send({ stream, job })),
  'sends with carried values': ({ producer, stream }, jobs) =>
    jobs.map((job) => producer.send({ stream, job: job.set('of', job.id), payload: 'entry' })),
  'jobs of sendAll()': ({ producer, stream }, jobs) => [producer.sendAll(jobs.map((job) => ({ stream, job })))],
};

for (const [name, send] of Object.entries(WAYS)) {
  ours(`${name} that a node of a Cluster has executed are in the stream once after a cut`, async (_, scene) => {
    const bus = await cuttable(scene);
    const jobs = jobsOf(bus.producer);
    const sending = executed(bus, { send: () => send(bus, jobs) });
    await until(async () => (await jobsIn(bus)).length === 1 + JOBS, RECOVERY);
    bus.proxy.cut();
    await sending;
    await bus.producer.send({ stream: bus.stream, job: bus.producer.job('last') });
    assert.deepStrictEqual(await jobsIn(bus), ['first', ...idsOf(jobs), 'last']);
  });

  ours(`${name} that a node of a Cluster has not executed are sent again after a cut`, async (_, scene) => {
    const bus = await cuttable(scene);
    const jobs = jobsOf(bus.producer);
    await swallowedAndCut(bus, { send: () => send(bus, jobs) });
    assert.deepStrictEqual(await jobsIn(bus), ['first', ...idsOf(jobs)]);
  });
}

ours('sends that were cut do not hold back those to other nodes', async (_, scene) => {
  const bus = await cuttable(scene, { streams: 3 });
  const [stream, ...others] = bus.streams;
  bus.proxy.muteAt('XADD');
  const sending = bus.producer.send({ stream, job: bus.producer.job('cut') });
  await until(async () => (await jobsIn(bus)).length === 2, RECOVERY);
  bus.proxy.refuse();
  bus.proxy.muteAt(null);
  bus.proxy.cut();
  for (const other of others) await bus.producer.send({ stream: other, job: bus.producer.job('other') });
  bus.proxy.refuse(false);
  await sending;
  assert.deepStrictEqual(await jobsIn(bus), ['first', 'cut']);
  for (const other of others) assert.deepStrictEqual(await jobsIn(bus, other), ['first', 'other']);
});

ours('a job that is sent several times on purpose is there as often, on whichever node it is', async (_, scene) => {
  const bus = await cuttable(scene, { cluster: await scene.ownCluster() });
  const job = bus.producer.job('often');
  const send = () => Array.from({ length: 3 }, () => bus.producer.send({ stream: bus.stream, job }));
  await Promise.all(send());
  const key = keys.stream(bus.stream);
  const target = bus.cluster.primaries.find((node) => node !== bus.home);
  const move = await bus.cluster.beginMove(await bus.cluster.slot(key), target);
  await move.all();
  await move.end();
  await Promise.all(send());
  // The connection to this node was opened later, and has confirmed the last three only.
  bus.proxy = bus.proxies.get(target);
  const sending = executed(bus, { count: 3, send });
  await until(async () => (await jobsIn(bus)).length === 10, RECOVERY);
  bus.proxy.cut();
  await sending;
  assert.deepStrictEqual(await jobsIn(bus), ['first', ...Array(9).fill('often')]);
  await swallowedAndCut(bus, { send });
  assert.deepStrictEqual(await jobsIn(bus), ['first', ...Array(12).fill('often')]);
});

ours('sends whose slot has moved when they are searched for are in the stream once', async (_, scene) => {
  const bus = await cuttable(scene, { cluster: await scene.ownCluster() });
  const jobs = jobsOf(bus.producer);
  const send = () => jobs.map((job) => bus.producer.send({ stream: bus.stream, job }));
  const sending = executed(bus, { send });
  await until(async () => (await jobsIn(bus)).length === 1 + JOBS, RECOVERY);
  const key = keys.stream(bus.stream);
  const target = bus.cluster.primaries.find((node) => node !== bus.home);
  const move = await bus.cluster.beginMove(await bus.cluster.slot(key), target);
  await move.all();
  await move.end();
  bus.proxy.cut();
  await sending;
  await bus.producer.send({ stream: bus.stream, job: bus.producer.job('last') });
  assert.deepStrictEqual(await jobsIn(bus), ['first', ...idsOf(jobs), 'last']);
});

ours('sends that a primary has replicated before it was killed are in the stream once', async (_, scene) => {
  const bus = await cuttable(scene, { cluster: await scene.ownCluster({ replicas: true }) });
  const jobs = jobsOf(bus.producer);
  const send = () => jobs.map((job) => bus.producer.send({ stream: bus.stream, job }));
  const sending = executed(bus, { send });
  await until(async () => (await jobsIn(bus)).length === 1 + JOBS, RECOVERY);
  assert.strictEqual(await bus.home.call('WAIT', 1, 5000), 1);
  bus.home.crash();
  await sending;
  await bus.producer.send({ stream: bus.stream, job: bus.producer.job('last') });
  assert.deepStrictEqual(await jobsIn(bus), ['first', ...idsOf(jobs), 'last']);
});

ours('what a node still has to read from a connection that broke is not executed later', async (_, scene) => {
  const bus = await cuttable(scene);
  bus.proxy.strandAt('XADD');
  const sending = bus.producer.send({ stream: bus.stream, job: bus.producer.job('late') });
  await until(() => bus.proxy.stranded > 0, RECOVERY);
  bus.proxy.cutClients();
  await sending;
  await bus.proxy.deliverStranded();
  await bus.producer.send({ stream: bus.stream, job: bus.producer.job('next') });
  assert.deepStrictEqual(await jobsIn(bus), ['first', 'late', 'next']);
});
