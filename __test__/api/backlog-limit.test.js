'use strict';

/* backlogLimit: a send to a stream that a group has fallen behind on is rejected instead of trimming. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { jobsIn, sendsKeepOrder } = require('../support/order-of-sends.js');
const { countsEntries } = require('../support/stream-counts.js');
const { until } = require('../support/wait-until.js');

const LIMIT = 10;
const FULL = { code: 'BACKLOG_FULL' };

const group = ({ redis, stream }, name) =>
  redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(name), '0', 'MKSTREAM');

/** Has the next entries of a group delivered, and acknowledged if wanted. */
async function take({ redis, stream }, name, count, isAcknowledged = true) {
  const [key, of] = [keys.stream(stream), keys.group(name)];
  const reply = await redis.call('XREADGROUP', 'GROUP', of, 'mute', 'COUNT', count, 'STREAMS', key, '>');
  const ids = reply[0][1].map(([id]) => id);
  if (isAcknowledged) await redis.call('XACK', key, of, ...ids);
  return ids;
}

/** Sends jobs at once. @returns the number that Redis has, and the distinct codes of the others */
async function burst({ stream }, producer, count) {
  const sends = Array.from({ length: count }, () => producer.send({ stream, job: producer.job() }));
  const results = await Promise.allSettled(sends);
  const codes = results.filter(({ status }) => status === 'rejected').map(({ reason }) => reason.code);
  return { sent: count - codes.length, codes: [...new Set(codes)] };
}

ours('one producer never exceeds the limit, and sends again after the group has caught up', async (_, scene) => {
  const { redis, stream } = scene;
  for (const name of ['fast', 'slow']) await group(scene, name);
  const producer = scene.producer(scene.connect({ backlogLimit: LIMIT }));
  assert.deepStrictEqual(await burst(scene, producer, 3), { sent: 3, codes: [] });
  assert.deepStrictEqual(await burst(scene, producer, 30), { sent: 7, codes: ['BACKLOG_FULL'] });
  assert.strictEqual(await scene.length(), LIMIT);
  await take(scene, 'fast', 10);
  assert.deepStrictEqual(
    await burst(scene, producer, 5),
    { sent: 0, codes: ['BACKLOG_FULL'] },
    'slow has read nothing',
  );
  const [first] = await take(scene, 'slow', 10, false);
  assert.deepStrictEqual(await burst(scene, producer, 5), { sent: 0, codes: ['BACKLOG_FULL'] }, 'they are pending');
  if (!(await countsEntries(redis, keys.stream(stream)))) return;
  await redis.call('XACK', keys.stream(stream), keys.group('slow'), first);
  await until(async () => (await burst(scene, producer, 5)).sent === 1);
  assert.strictEqual(await scene.length(), LIMIT + 1);
});

ours('the error names the stream, the group and the backlog', async (_, scene) => {
  await group(scene, 'slow');
  const producer = scene.producer(scene.connect({ backlogLimit: LIMIT }));
  await burst(scene, producer, LIMIT);
  const error = await producer
    .send({ stream: scene.stream, job: producer.job() })
    .then(assert.fail, (reason) => reason);
  const { code, stream, backlog, message } = error;
  assert.deepStrictEqual([code, stream, backlog], ['BACKLOG_FULL', scene.stream, LIMIT]);
  assert.strictEqual(error.group, 'slow');
  assert.match(message, /group slow has not acknowledged, and backlogLimit is 10$/);
});

ours('without groups the length of the stream counts', async (_, scene) => {
  const producer = scene.producer(scene.connect({ backlogLimit: LIMIT }));
  assert.deepStrictEqual(await burst(scene, producer, 30), { sent: LIMIT, codes: ['BACKLOG_FULL'] });
  assert.strictEqual(await scene.length(), LIMIT);
});

ours('a refused send leaves its values in the job, and its wait ends', async (_, scene) => {
  await group(scene, 'slow');
  const producer = scene.producer(scene.connect({ backlogLimit: 1 }));
  await burst(scene, producer, 1);
  const job = producer.job().set('key', 'value');
  await assert.rejects(producer.send({ stream: scene.stream, job, waitFor: ['slow'] }), FULL);
  assert.strictEqual(job.finished, undefined);
  assert.strictEqual(await scene.redis.call('EXISTS', keys.payload(job.id, 'key')), 0);
  await take(scene, 'slow', 1);
  const send = () => producer.send({ stream: scene.stream, job }).catch(() => null);
  if (!(await countsEntries(scene.redis, keys.stream(scene.stream)))) return;
  await until(send);
  assert.strictEqual(await scene.redis.call('GET', keys.payload(job.id, 'key')), '"value"');
  const { sent, failed, inFlight } = await producer.stats();
  assert.deepStrictEqual([sent, failed > 0, inFlight ?? 0], [2, true, 0]);
});

ours('bytes that change while a send waits for the backlog are sent as they were', async (_, scene) => {
  const producer = scene.producer(scene.connect({ backlogLimit: LIMIT }));
  const bytes = Buffer.from('before');
  const job = producer.job().set('key', bytes);
  const sending = producer.send({ stream: scene.stream, job });
  bytes.write('behind');
  await sending;
  assert.strictEqual(await scene.redis.call('GET', keys.payload(job.id, 'key')), 'before');
});

ours('sendAll() refuses what exceeds the limit, and with atomic all of it', async (_, scene) => {
  const producer = scene.producer(scene.connect({ backlogLimit: LIMIT }));
  const jobs = (count) => Array.from({ length: count }, () => ({ stream: scene.stream, job: producer.job() }));
  const atomic = await producer.sendAll(jobs(11), { atomic: true }).then(assert.fail, (reason) => reason);
  assert.deepStrictEqual([...new Set(atomic.errors.map(({ code }) => code))], [FULL.code]);
  assert.strictEqual(await scene.length(), 0);
  await producer.sendAll(jobs(4), { atomic: true });
  const error = await producer.sendAll(jobs(8)).then(assert.fail, (reason) => reason);
  assert.deepStrictEqual([error.code, error.errors.length, await scene.length()], ['SEND_ALL_FAILED', 2, LIMIT]);
});

ours('sends keep their order while some of them wait for the backlog', async (_, scene) => {
  const connection = scene.connect({ backlogLimit: 1000 });
  await sendsKeepOrder(scene, connection, { jobsIn: (stream) => jobsIn(scene, keys.stream(stream)) });
});

ours('a query needs no trip per send', async (_, scene) => {
  const producer = scene.producer(scene.connect({ backlogLimit: 100_000 }));
  await burst(scene, producer, 1);
  const monitor = await scene.monitor();
  for (let at = 0; at < 200; at++) await producer.send({ stream: scene.stream, job: producer.job() });
  const [sends, queries] = [await monitor.named('XADD'), await monitor.named('XINFO')];
  assert.strictEqual(sends.length, 200);
  assert.ok(queries.length < 20, `${queries.length} queries`);
});

ours('a user without the right to XINFO has its sends rejected', async (_, scene) => {
  const redis = await scene.server();
  await redis.call('ACL', 'SETUSER', 'few', 'on', '>secret', '~*', '&*', '+@all', '-xinfo');
  const producer = scene.producer(
    scene.connect({ ...redis.options, username: 'few', password: 'secret', backlogLimit: LIMIT }),
  );
  const sending = producer.send({ stream: scene.stream, job: producer.job() });
  await assert.rejects(sending, { code: 'NOPERM', command: 'XINFO' });
});

ours('on several nodes each stream of each node has the limit', async (_, scene) => {
  const nodes = await scene.nodes();
  const connection = scene.partition(nodes, { backlogLimit: 5 });
  const producer = scene.producer(connection);
  const { stream } = scene;
  const route = scene.hfxbus.DISTRIBUTED_ROUTING;
  const sends = Array.from({ length: 100 }, () => producer.send({ stream, job: producer.job(), route }));
  const results = await Promise.allSettled(sends);
  const sent = results.filter(({ status }) => status === 'fulfilled');
  assert.deepStrictEqual(await Promise.all(nodes.map((node) => scene.length(stream, node))), [5, 5, 5]);
  assert.strictEqual(sent.length, 15);
});

ours('sends that wait for their payload keys count before they are in the stream', async (_, scene) => {
  const nodes = await scene.ownNodes();
  const producer = scene.producer(scene.partition(nodes, { backlogLimit: LIMIT }));
  const [stream, node, others] = [scene.nameOn(0, 'stream'), nodes[0], nodes.slice(1)];
  const send = (job = producer.job()) => producer.send({ stream, job, carry: false });
  await send();
  const monitor = await scene.monitor(node);
  const queries = async () => (await monitor.named('XINFO')).length;
  await Promise.all(others.map((one) => one.call('CLIENT', 'PAUSE', 20000, 'WRITE')));
  const valued = () => send(producer.job(scene.nameOn(1, 'job')).set('key', 'value'));
  const sends = Array.from({ length: LIMIT - 1 }, valued);
  const before = await queries();
  await until(async () => {
    const further = send();
    further.catch(() => {});
    sends.push(further);
    return (await queries()) >= before + 3;
  });
  await Promise.all(others.map((one) => one.call('CLIENT', 'UNPAUSE')));
  const results = await Promise.allSettled(sends);
  const isSent = results.map(({ status }) => status === 'fulfilled');
  assert.strictEqual(await scene.length(stream, node), LIMIT);
  assert.deepStrictEqual([isSent.indexOf(false), isSent.lastIndexOf(true)], [LIMIT - 1, LIMIT - 2]);
});

ours('a send whose payload keys are refused leaves its room to others', async (_, scene) => {
  const nodes = await scene.ownNodes();
  const producer = scene.producer(scene.partition(nodes, { backlogLimit: LIMIT }));
  const { stream } = scene;
  const send = (job = producer.job()) => producer.send({ stream, job, carry: false });
  await send();
  const memory = (limit) => Promise.all(nodes.map((node) => node.call('CONFIG', 'SET', 'maxmemory', limit)));
  await memory(1);
  for (let round = 0; round < 3; round++) {
    const sends = Array.from({ length: LIMIT - 1 }, () => send(producer.job().set('key', 'value')));
    const codes = (await Promise.allSettled(sends)).map(({ reason }) => reason.code);
    assert.deepStrictEqual([...new Set(codes)], ['OOM']);
  }
  await memory(0);
  const results = await Promise.allSettled(Array.from({ length: LIMIT }, () => send()));
  assert.deepStrictEqual(results.filter(({ status }) => status === 'rejected').length, 1);
});

ours('several producers exceed the limit by what they send between two queries at most', async (_, scene) => {
  await group(scene, 'slow');
  const producers = Array.from({ length: 4 }, () => scene.producer(scene.connect({ backlogLimit: 200 })));
  let sent = 0;
  const run = async (producer) => {
    for (let isFull = false; !isFull; ) {
      const [{ status }] = await Promise.allSettled([producer.send({ stream: scene.stream, job: producer.job() })]);
      if (status === 'rejected') isFull = true;
      else sent++;
    }
  };
  await Promise.all(producers.map(run));
  assert.strictEqual(await scene.length(), sent);
  assert.ok(sent >= 200 && sent <= 200 * 4, `${sent} sent`);
});

ours('capped is refused on a bus with retain', async (_, scene) => {
  const producer = scene.producer(scene.connect({ retain: 'acknowledged' }));
  const send = (options) => producer.send({ stream: scene.stream, job: producer.job(), ...options });
  await assert.rejects(send({ capped: 10 }), { name: 'TypeError', message: /backlogLimit/ });
  await send({ capped: 0 });
  const limited = scene.producer(scene.connect({ backlogLimit: 10 }));
  await limited.send({ stream: scene.stream, job: limited.job(), capped: 100 });
  assert.strictEqual(await scene.length(), 2);
});
