'use strict';

/* Sends whose connection breaks before the reply, with and without their execution. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');

/** Number of jobs that are sent together. */
const JOBS = 12;
/** Back-offs, a connection that opens, and some time for a busy machine. */
const RECOVERY = { timeout: 15000 };

/** A server behind a proxy, and a producer on it. */
async function cuttable(scene, { server = scene.redis, ...options } = {}) {
  const proxy = await TcpProxy.to(server.port);
  scene.closing(() => proxy.close());
  const connection = scene.connect({ ...server.options, ...proxy.options, retryStrategy: () => 20, ...options });
  const producer = scene.producer(connection);
  // The connection has its session and its first entry, and the producer knows that it can send transactions.
  await producer.sendAll([{ stream: scene.stream, job: producer.job('first') }], { atomic: true });
  return { proxy, producer, server, connection };
}

/** Ids of the jobs in a stream, in order. */
async function jobsIn(scene, { server = scene.redis, stream = scene.stream } = {}) {
  const entries = await server.call('XRANGE', keys.stream(stream), '-', '+');
  return entries.map(([, fields]) => fields[fields.indexOf('job') + 1]);
}

/** Sends while replies are swallowed, waits until the server has executed something, and cuts. */
async function executedAndCut(scene, bus, { word = 'XADD', count = JOBS, send }) {
  bus.proxy.muteAt(word);
  const sending = Promise.all(send());
  await until(async () => (await jobsIn(scene, bus)).length === 1 + count, RECOVERY);
  bus.proxy.muteAt(null);
  bus.proxy.cut();
  return sending;
}

/** Sends while requests are swallowed, and cuts. */
async function swallowedAndCut(bus, { word = 'XADD', send }) {
  const requests = bus.proxy.record();
  bus.proxy.holeAt(word);
  const sending = Promise.all(send());
  await until(() => Buffer.concat(requests).includes(word));
  bus.proxy.holeAt(null);
  bus.proxy.cut();
  return sending;
}

function expected(jobs) {
  return ['first', ...jobs.map(({ id }) => id)];
}

function jobsOf(producer, make = (job) => job) {
  return Array.from({ length: JOBS }, (_, at) => make(producer.job(`job-${at}`), at));
}

/** Ways of sending jobs, with the command that each begins with. */
const WAYS = {
  sends: {
    send: (scene, { producer }, jobs) => jobs.map((job) => producer.send({ stream: scene.stream, job })),
  },
  'capped sends with carried values': {
    make: (job, at) => job.set('number', at),
    send: (scene, { producer }, jobs) =>
      jobs.map((job) => producer.send({ stream: scene.stream, job, payload: 'entry', capped: 1000 })),
  },
  'sends with payload keys': {
    word: 'MULTI',
    make: (job, at) => job.set('number', at),
    send: (scene, { producer }, jobs) => jobs.map((job) => producer.send({ stream: scene.stream, job })),
  },
  'sends of sendAll()': {
    send: (scene, { producer }, jobs) => [producer.sendAll(jobs.map((job) => ({ stream: scene.stream, job })))],
  },
  'jobs of an atomic sendAll()': {
    word: 'MULTI',
    make: (job, at) => job.set('number', at),
    send: (scene, { producer }, jobs) => [
      producer.sendAll(
        jobs.map((job) => ({ stream: scene.stream, job })),
        { atomic: true },
      ),
    ],
  },
};

for (const [name, { word, make, send }] of Object.entries(WAYS)) {
  ours(`${name} that were executed and cut before their replies are in the stream once`, async (_, scene) => {
    const bus = await cuttable(scene);
    const jobs = jobsOf(bus.producer, make);
    await executedAndCut(scene, bus, { word, send: () => send(scene, bus, jobs) });
    assert.deepStrictEqual(await jobsIn(scene), expected(jobs));
    // The connection goes on.
    await bus.producer.send({ stream: scene.stream, job: bus.producer.job('last') });
    assert.deepStrictEqual(await jobsIn(scene), [...expected(jobs), 'last']);
  });

  ours(`${name} that were cut before their execution are sent again`, async (_, scene) => {
    const bus = await cuttable(scene);
    const jobs = jobsOf(bus.producer, make);
    await swallowedAndCut(bus, { word, send: () => send(scene, bus, jobs) });
    assert.deepStrictEqual(await jobsIn(scene), expected(jobs));
  });
}

ours('an awaited send that was executed and cut before its reply is finished by its completion', async (_, scene) => {
  const bus = await cuttable(scene);
  const job = bus.producer.job('awaited');
  const before = bus.producer.job('before');
  const processor = async (job) => job.set('answer', job.id);
  await scene.play(processor, { connection: scene.connect() });
  await bus.producer.send({ stream: scene.stream, job: before, waitFor: [scene.group] });
  await before.finished(5000);
  await bus.server.call('DEL', keys.payload('before', 'answer'));
  bus.proxy.muteAt('XADD');
  const sending = bus.producer.send({ stream: scene.stream, job, waitFor: [scene.group], durable: true });
  await until(async () => (await bus.server.call('EXISTS', keys.payload('awaited', 'answer'))) === 1, RECOVERY);
  bus.proxy.muteAt(null);
  bus.proxy.cut();
  await sending;
  assert.deepStrictEqual(Object.keys(await job.finished(10000)), [scene.group]);
  assert.deepStrictEqual(await jobsIn(scene), ['first', 'before', 'awaited']);
});

ours(
  'a job that is sent several times on purpose is there as often, though the connection breaks',
  async (_, scene) => {
    const bus = await cuttable(scene);
    const job = bus.producer.job('often');
    await bus.producer.send({ stream: scene.stream, job });
    await bus.producer.send({ stream: scene.stream, job });
    const send = () => Array.from({ length: 3 }, () => bus.producer.send({ stream: scene.stream, job }));
    await executedAndCut(scene, bus, { count: 5, send });
    assert.deepStrictEqual(await jobsIn(scene), ['first', ...Array(5).fill('often')]);
    await swallowedAndCut(bus, { send });
    assert.deepStrictEqual(await jobsIn(scene), ['first', ...Array(8).fill('often')]);
  },
);

ours('what a server still has to read from a connection that broke is not executed later', async (_, scene) => {
  const server = await scene.server();
  const bus = await cuttable(scene, { server });
  // The proxy holds requests back, and delivers them once the connection of the producer is gone.
  bus.proxy.strandAt('XADD');
  const sending = bus.producer.send({ stream: scene.stream, job: bus.producer.job('late') });
  await until(() => bus.proxy.stranded > 0, RECOVERY);
  bus.proxy.cutClients();
  await sending;
  await bus.proxy.deliverStranded();
  await bus.producer.send({ stream: scene.stream, job: bus.producer.job('next') });
  assert.deepStrictEqual(await jobsIn(scene, bus), ['first', 'late', 'next']);
});

/** Holds the request of an action back from the server, and breaks the connection. The next connection does it. */
async function strandedAndCut(bus, word, act) {
  bus.proxy.strandAt(word);
  const acting = act();
  await until(() => bus.proxy.stranded > 0, RECOVERY);
  bus.proxy.cutClients();
  return acting;
}

ours('a delayed send of a broken connection does not come back after its cancel()', async (_, scene) => {
  const bus = await cuttable(scene, { server: await scene.server() });
  const cancel = () => bus.producer.cancel({ stream: scene.stream, id: 'late' });
  await strandedAndCut(bus, 'ZADD', () =>
    bus.producer.send({ stream: scene.stream, job: bus.producer.job('late'), delay: 60000, id: 'late' }),
  );
  assert.strictEqual(await cancel(), true);
  await bus.proxy.deliverStranded();
  assert.strictEqual(await cancel(), false);
});

ours('a cancel() of a broken connection removes no later send', async (_, scene) => {
  const bus = await cuttable(scene, { server: await scene.server() });
  const cancel = () => bus.producer.cancel({ stream: scene.stream, id: 'late' });
  const send = () =>
    bus.producer.send({ stream: scene.stream, job: bus.producer.job('late'), delay: 60000, id: 'late' });
  await send();
  assert.strictEqual(await strandedAndCut(bus, 'HDEL', cancel), true);
  await send();
  await bus.proxy.deliverStranded();
  assert.strictEqual(await cancel(), true);
});

for (const right of ['xrevrange', 'time', 'client']) {
  ours(`without the right to ${right} no send is lost when the connection breaks`, async (_, scene) => {
    const server = await scene.server();
    await server.call('ACL', 'SETUSER', 'ann', 'on', '>secret', '~*', '&*', '+@all', `-${right}`);
    const bus = await cuttable(scene, { server, username: 'ann', password: 'secret' });
    const jobs = jobsOf(bus.producer);
    const send = () => jobs.map((job) => bus.producer.send({ stream: scene.stream, job }));
    await executedAndCut(scene, bus, { send });
    const twice = right === 'xrevrange' ? jobs.map(({ id }) => id) : [];
    assert.deepStrictEqual(await jobsIn(scene, bus), [...expected(jobs), ...twice]);
  });
}

ours(
  'entries of others do not hide the own ones, and equal ones of others are not taken for them',
  async (_, scene) => {
    const bus = await cuttable(scene);
    const jobs = jobsOf(bus.producer);
    const other = scene.producer(scene.connect());
    bus.proxy.muteAt('XADD');
    const sending = Promise.all(jobs.map((job) => bus.producer.send({ stream: scene.stream, job })));
    await until(async () => (await jobsIn(scene)).length === 1 + JOBS, RECOVERY);
    await other.sendAll(Array.from({ length: 600 }, () => ({ stream: scene.stream, job: other.job('other') })));
    bus.proxy.muteAt(null);
    bus.proxy.cut();
    await sending;
    const found = await jobsIn(scene);
    assert.deepStrictEqual(found, [...expected(jobs), ...Array(600).fill('other')]);
    bus.proxy.holeAt('XADD');
    const requests = bus.proxy.record();
    const swallowed = bus.producer.send({ stream: scene.stream, job: bus.producer.job('other') });
    await until(() => Buffer.concat(requests).toString().split('XADD').length > 1);
    bus.proxy.holeAt(null);
    bus.proxy.cut();
    await swallowed;
    assert.strictEqual((await jobsIn(scene)).length, found.length + 1);
  },
);

ours('large entries of others behind the own ones do not exceed the time for a reply', async (_, scene) => {
  // A quarter of a second for a MiB, and a second for a reply: all entries together take two.
  const bus = await cuttable(scene, { connectTimeout: 1000 });
  const jobs = jobsOf(bus.producer);
  const other = scene.producer(scene.connect());
  bus.proxy.muteAt('XADD');
  const sending = Promise.all(jobs.map((job) => bus.producer.send({ stream: scene.stream, job })));
  await until(async () => (await scene.length()) === 1 + JOBS, RECOVERY);
  const large = () => other.job('large').set('value', 'x'.repeat(512 << 10));
  await other.sendAll(Array.from({ length: 16 }, () => ({ stream: scene.stream, job: large(), payload: 'entry' })));
  bus.proxy.throttle(4 << 20);
  bus.proxy.muteAt(null);
  bus.proxy.cut();
  await sending;
  bus.proxy.throttle(0);
  assert.deepStrictEqual(await jobsIn(scene), [...expected(jobs), ...Array(16).fill('large')]);
});

ours('without autoResendUnfulfilledCommands a send that was cut rejects, and is not sent again', async (_, scene) => {
  const bus = await cuttable(scene, { autoResendUnfulfilledCommands: false });
  const job = bus.producer.job('once');
  const sending = executedAndCut(scene, bus, {
    count: 1,
    send: () => [bus.producer.send({ stream: scene.stream, job })],
  });
  await assert.rejects(sending, { code: 'CONNECTION_LOST' });
  assert.deepStrictEqual(await jobsIn(scene), ['first', 'once']);
});
