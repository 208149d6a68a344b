'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** Sends jobs with these ids, which are not waited for. */
async function send(scene, producer, ids) {
  await Promise.all(ids.map((id) => producer.send({ stream: scene.stream, job: producer.job(id) })));
}

/** The stats of a consumer, once a condition holds for them. */
function counted(consumer, condition) {
  return until(async () => {
    const stats = await consumer.stats();
    return condition(stats) && stats;
  });
}

ours('outcomes of jobs are counted', async (_, scene) => {
  const producer = scene.producer();
  const released = new Gate();
  const consumer = scene.consumer({ concurrency: 4, retryLimit: 1, claimInterval: 60_000 });
  const ends = {
    well: async () => {},
    badly: async () => {
      throw new scene.hfxbus.UnrecoverableError('mine');
    },
    late: () => new Promise(() => {}),
    free: async (job) => {
      job.release();
      await released.opened;
    },
  };
  consumer.process({ stream: scene.stream, deadline: 1000, processor: (job) => ends[job.id](job) });
  await consumer.play();
  await send(scene, producer, Object.keys(ends));
  const during = await counted(consumer, (stats) => stats.rejected === 1 && stats.released === 1);
  assert.deepStrictEqual([during.started, during.availableSlots >= 2], [4, true]);
  released.open();
  const stats = await counted(consumer, (now) => now.resolved === 2 && now.timedOut === 1 && now.inFlight === 0);
  const { started, retried, claimed, resolved, rejected, timedOut, settlementFailures, availableSlots, waiting } =
    stats;
  assert.deepStrictEqual(
    { started, retried, claimed, resolved, rejected, timedOut, settlementFailures, availableSlots, waiting },
    {
      started: 4,
      retried: 0,
      claimed: 0,
      resolved: 2,
      rejected: 2,
      timedOut: 1,
      settlementFailures: 0,
      availableSlots: 4,
      waiting: 0,
    },
  );
  await counted(consumer, ({ exhausted }) => exhausted === 2);
  await scene.connection.stop();
  const { resolved: still, streams } = await consumer.stats();
  assert.deepStrictEqual([still, streams[0].lag, streams[0].pending], [2, null, null]);
});

ours('sends and received completions of a producer are counted', async (_, scene) => {
  await scene.play(async (job) => {
    if (job.id === 'slow') await new Promise(() => {});
  });
  const producer = scene.producer();
  const options = { stream: scene.stream, waitFor: [scene.group] };
  const job = await producer.send({ ...options, job: producer.job('fast') });
  await job.finished();
  const slow = await producer.send({ ...options, job: producer.job('slow') });
  await assert.rejects(slow.finished(1), { code: 'FINISH_TIMEOUT' });
  await assert.rejects(producer.send({ stream: scene.stream, job: {} }), TypeError);
  const { shared, ...counts } = await producer.stats();
  assert.deepStrictEqual(counts, {
    sent: 2,
    failed: 0,
    inFlight: 0,
    finished: 1,
    timedOut: 1,
    completionsReceived: 1,
    waiting: 1,
  });
  assert.ok(shared.bytesIn > 0 && shared.bytesOut > 0);
  const sending = producer.send({ stream: scene.stream, job: producer.job() });
  assert.strictEqual((await producer.stats()).inFlight + (await producer.stats()).sent, 3);
  await sending;
  await producer.close();
  const { completionsReceived, waiting, sent } = await producer.stats();
  assert.deepStrictEqual({ completionsReceived, waiting, sent }, { completionsReceived: 1, waiting: 0, sent: 3 });
});

ours('a send that Redis refuses counts as failed', async (_, scene) => {
  const producer = scene.producer();
  const stream = scene.name('taken');
  await scene.redis.call('SET', keys.stream(stream), 'no stream');
  await assert.rejects(producer.send({ stream, job: producer.job() }), { code: 'WRONGTYPE' });
  const { sent, failed, inFlight } = await producer.stats();
  assert.deepStrictEqual({ sent, failed, inFlight }, { sent: 0, failed: 1, inFlight: 0 });
});

ours('stats exist before the first use, and open no connection', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const consumer = scene.consumer({ concurrency: Infinity }, connection);
  const { streams, availableSlots, own } = await consumer.stats();
  assert.deepStrictEqual([streams, availableSlots, own], [[], Infinity, { reconnects: 0, bytesIn: 0, bytesOut: 0 }]);
  consumer.process({ stream: scene.stream, processor: async () => {} });
  const standing = { stream: scene.stream, group: scene.group, lag: null, pending: null, delayed: null };
  assert.deepStrictEqual((await consumer.stats()).streams, [standing]);
  assert.strictEqual((await scene.producer(connection).stats()).sent, 0);
  const clients = await redis.call('CLIENT', 'LIST');
  assert.strictEqual(clients.trim().split('\n').length, 1);
});

ours('lag and pending are those of the group, if Redis knows them', async (_, scene) => {
  const gate = new Gate();
  const consumer = await scene.play(() => gate.opened);
  const other = await scene.play(async () => {}, { group: scene.name('other') });
  const producer = scene.producer();
  await send(scene, producer, ['a', 'b', 'c']);
  const [major] = (await scene.redis.call('INFO', 'server'))
    .match(/redis_version:(\d+)/)
    .slice(1)
    .map(Number);
  const lag = major >= 7 ? 2 : null;
  const standing = { stream: scene.stream, group: scene.group, lag, pending: 1, delayed: 0 };
  await counted(consumer, ({ started }) => started === 1);
  await counted(other, ({ resolved, inFlight }) => resolved === 3 && inFlight === 0);
  assert.deepStrictEqual((await consumer.stats()).streams, [standing]);
  const unasked = { ...standing, lag: null, pending: null, delayed: null };
  assert.deepStrictEqual((await consumer.stats({ timeout: 0 })).streams, [unasked]);
  gate.open();
});

ours('stats wait for a silent Redis until their timeout, and not for a lost one', async (_, scene) => {
  const redis = await scene.server();
  const consumer = await scene.play(async () => {}, { connection: scene.connect(redis.options) });
  assert.strictEqual((await consumer.stats()).streams[0].pending, 0);
  redis.freeze();
  const begin = process.hrtime.bigint();
  assert.strictEqual((await consumer.stats({ timeout: 50 })).streams[0].pending, null);
  assert.ok(process.hrtime.bigint() - begin >= 49_000_000n);
  redis.thaw();
  redis.crash();
  await until(async () => (await consumer.stats({ timeout: 60_000 })).streams[0].pending === null);
});

ours('reconnections are counted once per connection, and bytes continue across them', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect({ ...redis.options, retryStrategy: () => 5 });
  const consumer = await scene.play(async () => {}, { connection, blockTimeout: 50 });
  const producer = scene.producer(connection);
  await producer.listen();
  const before = await consumer.stats();
  assert.deepStrictEqual([before.own.reconnects, before.shared.reconnects], [0, 0]);
  await redis.restart();
  // The shared connection and the subscriber.
  const after = await counted(consumer, ({ own, shared }) => own.reconnects === 1 && shared.reconnects === 2);
  for (const kind of ['own', 'shared']) {
    assert.ok(after[kind].bytesIn >= before[kind].bytesIn && after[kind].bytesOut >= before[kind].bytesOut);
  }
  assert.deepStrictEqual((await producer.stats()).shared.reconnects, 2);
  await producer.send({ stream: scene.stream, job: producer.job('x'.repeat(10_000)) });
  await counted(consumer, ({ resolved }) => resolved === 1);
  const last = await consumer.stats();
  assert.ok(last.shared.bytesOut >= after.shared.bytesOut + 10_000, 'the job was sent');
  assert.ok(last.own.bytesIn >= after.own.bytesIn + 10_000, 'and read');
});

ours('claimed, retried and trimmed entries are counted', async (_, scene) => {
  const [stream, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  await scene.redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM');
  await scene.add('lost');
  const gone = await scene.add('gone');
  await scene.redis.call('XREADGROUP', 'GROUP', group, 'away', 'STREAMS', stream, '>');
  await scene.redis.call('XDEL', stream, gone);
  const consumer = await scene.play(async () => {}, { claimInterval: 5, claimDeadline: 1 });
  const stats = await counted(consumer, ({ resolved, trimmed }) => resolved === 1 && trimmed === 1);
  const { started, retried, claimed } = stats;
  assert.deepStrictEqual({ started, retried, claimed }, { started: 1, retried: 1, claimed: 1 });
});

ours('jobs without a settlement are counted, also those that end after stop()', async (_, scene) => {
  const gates = { refused: new Gate(), late: new Gate() };
  const connection = scene.connect();
  const consumer = await scene.play((job) => gates[job.id].opened, { connection, concurrency: 2 });
  for (const id of Object.keys(gates)) await scene.add(id);
  await counted(consumer, ({ inFlight }) => inFlight === 2);
  await scene.redis.call('DEL', keys.stream(scene.stream));
  await scene.redis.call('SET', keys.stream(scene.stream), 'no stream');
  gates.refused.open();
  await counted(consumer, ({ settlementFailures, inFlight }) => settlementFailures === 1 && inFlight === 1);
  await connection.stop({ force: true });
  gates.late.open();
  const { resolved, inFlight } = await counted(consumer, ({ settlementFailures }) => settlementFailures === 2);
  assert.deepStrictEqual({ resolved, inFlight }, { resolved: 1, inFlight: 0 });
});

ours('entries in the backlog are counted', async (_, scene) => {
  const gate = new Gate();
  const consumer = scene.consumer({ concurrency: 1 });
  const other = scene.name('other');
  for (const stream of [scene.stream, other]) {
    await scene.add(stream, { stream });
    consumer.process({ stream, fromId: '0', processor: () => gate.opened });
  }
  await consumer.play();
  const { started, inFlight, availableSlots } = await counted(consumer, ({ waiting }) => waiting === 1);
  assert.deepStrictEqual({ started, inFlight, availableSlots }, { started: 1, inFlight: 1, availableSlots: 0 });
  gate.open();
  await counted(consumer, ({ resolved, waiting }) => resolved === 2 && waiting === 0);
});

ours('with several nodes lag and pending are sums, and null while a node is unreachable', async (_, scene) => {
  const nodes = await scene.ownNodes();
  const connection = scene.partition(nodes, { each: nodes.map(() => ({ retryStrategy: () => 5 })) });
  const { DISTRIBUTED_ROUTING } = scene.hfxbus;
  const gate = new Gate();
  const consumer = await scene.play(() => gate.opened, { connection, route: DISTRIBUTED_ROUTING, concurrency: 9 });
  const producer = scene.producer(connection);
  const jobs = [0, 1, 2].map((node) => producer.job(scene.nameOn(node, 'job')));
  await Promise.all(jobs.map((job) => producer.send({ stream: scene.stream, job, route: DISTRIBUTED_ROUTING })));
  await counted(consumer, ({ started }) => started === 3);
  assert.strictEqual((await consumer.stats()).streams[0].pending, 3);
  assert.strictEqual((await consumer.stats()).streams.length, 1);
  nodes[1].crash();
  await counted(consumer, ({ streams }) => streams[0].pending === null);
  gate.open();
});

ours('on a Cluster connections to all nodes are counted together', async (_, scene) => {
  const cluster = await scene.cluster();
  const connection = scene.connectCluster(cluster);
  const consumer = await scene.play(async () => {}, { connection });
  const producer = scene.producer(connection);
  await Promise.all(Array.from({ length: 30 }, () => producer.job().set('a', 'x'.repeat(1000), 60_000).push()));
  const { shared } = await producer.stats();
  assert.ok(shared.bytesOut > 30_000, `${shared.bytesOut}`);
  await send(scene, producer, ['one']);
  const { streams, own } = await counted(consumer, ({ resolved }) => resolved === 1);
  assert.ok(own.bytesIn > 0);
  assert.notStrictEqual(streams[0].pending, null);
  assert.strictEqual((await producer.stats()).shared.reconnects, 0);
  await cluster.nodes[0].call('CLIENT', 'KILL', 'TYPE', 'normal');
  await until(async () => {
    await producer.job().set('a', 'x', 60_000).push();
    return (await producer.stats()).shared.reconnects > 0;
  });
});

ours('stats reject an invalid timeout', async (_, scene) => {
  const consumer = scene.consumer();
  await assert.rejects(consumer.stats({ timeout: -1 }), RangeError);
  await assert.rejects(consumer.stats({ timeout: 'x' }), TypeError);
  await assert.rejects(consumer.stats(7), TypeError);
  assert.deepStrictEqual((await consumer.stats({ timeout: Number.NaN })).streams, []);
  assert.deepStrictEqual((await consumer.stats(null)).streams, []);
});
