'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');

/** Appends events to the case's stream. The value `event` of each is its number. */
async function append(scene, count, { from = 0, stream = scene.stream, connection } = {}) {
  const producer = scene.producer(connection);
  const sends = Array.from({ length: count }, (_, at) => {
    return { stream, job: producer.job().set('event', from + at), payload: 'entry' };
  });
  await producer.sendAll(sends);
}

/** Reads a whole history. */
async function read(scene, options = {}, connection = scene.connection) {
  const entries = [];
  for await (const entry of connection.history({ stream: scene.stream, ...options })) entries.push(entry);
  return entries;
}

/** Reads a live history until the case ends. */
function follow(scene, options = {}, connection = scene.connection) {
  const abort = new AbortController();
  const entries = [];
  const events = [];
  const run = async () => {
    const history = connection.history({ stream: scene.stream, live: true, signal: abort.signal, ...options });
    for await (const entry of history) {
      entries.push(entry);
      events.push(entry.values.event);
    }
  };
  const ended = run().then(
    () => null,
    (error) => error,
  );
  scene.closing(() => abort.abort());
  return { abort, entries, events, ended };
}

const numbers = (count, from = 0) => Array.from({ length: count }, (_, at) => from + at);
const eventsOf = (entries) => entries.map(({ values }) => values.event);
/** Resolves with true if the server counts the entries that were ever added to a stream. */
const countsEntries = async (redis) => Number(/redis_version:(\d+)/.exec(await redis.call('INFO', 'server'))[1]) >= 7;
const connections = async (redis) => (await redis.call('CLIENT', 'LIST')).trim().split('\n').length;

ours('a history has every entry once, in order, over many pages', async (_, scene) => {
  await append(scene, 2500);
  assert.deepStrictEqual(eventsOf(await read(scene)), numbers(2500));
});

ours('a history begins after an id, at a time, at the end or at the oldest entry', async (_, scene) => {
  const key = keys.stream(scene.stream);
  for (const [at, id] of ['1000-1', '1000-2', '2000-0', '3000-5'].entries()) {
    await scene.redis.call('XADD', key, id, 'prd', 'p', 'job', `j${at}`, 'val:event', `${at}`);
  }
  // Before Redis 7 a time before the oldest entry can be a gap.
  const given = (await countsEntries(scene.redis)) ? {} : { onTrimmed: () => {} };
  const events = async (options) => eventsOf(await read(scene, { ...given, ...options }));
  assert.deepStrictEqual(await events(), [0, 1, 2, 3]);
  assert.deepStrictEqual(await events({ fromId: '0' }), [0, 1, 2, 3]);
  assert.deepStrictEqual(await events({ fromId: '1000-1' }), [1, 2, 3]);
  assert.deepStrictEqual(await events({ fromId: '3000-5' }), []);
  assert.deepStrictEqual(await events({ since: new Date(1000) }), [0, 1, 2, 3]);
  assert.deepStrictEqual(await events({ since: 1001 }), [2, 3]);
  assert.deepStrictEqual(await events({ since: new Date(4000) }), []);
  assert.deepStrictEqual(await events({ fromId: '$' }), []);
});

ours('an entry gives its carried values, and its payload keys by its job', async (_, scene) => {
  const producer = scene.producer();
  const job = producer
    .job()
    .set('small', { text: 'é' })
    .set('bytes', Buffer.from([255, 0]))
    .set('large', 'x'.repeat(5000));
  await producer.send({ stream: scene.stream, job });
  const [entry] = await read(scene);
  assert.deepStrictEqual(entry.values, { small: { text: 'é' }, bytes: Buffer.from([255, 0]) });
  assert.deepStrictEqual([entry.jobId, entry.producerId, entry.stream], [job.id, producer.id, scene.stream]);
  assert.ok(Math.abs(Date.now() - entry.date.getTime()) < 60_000);
  const pulled = await entry.job.get('small', false).get('large', false).get('bytes').pull();
  assert.deepStrictEqual(pulled, { small: { text: 'é' }, large: 'x'.repeat(5000), bytes: Buffer.from([255, 0]) });
});

ours('jobs of a producer of 2.2.0 are read by their payload keys', async (_, scene) => {
  const original = require('hfxbus-original');
  const connection = original.ConnectionManager.standalone({ host: '127.0.0.1', port: scene.redis.port });
  const producer = new original.Producer(connection);
  const job = producer.job();
  await job.set('event', { n: 1 }).push();
  await producer.send({ stream: scene.stream, job });
  await connection.stop();
  const [entry] = await read(scene);
  assert.deepStrictEqual([entry.jobId, entry.values], [job.id, {}]);
  assert.deepStrictEqual(await entry.job.get('event', false).pull(), { event: { n: 1 } });
});

ours('an entry of another program has no job, and does not end the history', async (_, scene) => {
  await scene.redis.call('XADD', keys.stream(scene.stream), '*', 'temperature', '21');
  const [entry] = await read(scene);
  assert.deepStrictEqual([entry.jobId, entry.producerId, entry.values], ['', '', {}]);
});

ours('a live history goes on without a gap or a repeat while jobs are sent', async (_, scene) => {
  await append(scene, 500);
  const readers = [follow(scene), follow(scene, { fromId: '0' }), follow(scene, { fromId: '$' })];
  await until(() => readers[0].events.length > 0 && readers[1].events.length > 0);
  for (let from = 500; from < 2000; from += 100) await append(scene, 100, { from });
  await until(() => readers.every(({ events }) => events.at(-1) === 1999));
  for (const { events } of readers.slice(0, 2)) assert.deepStrictEqual(events, numbers(2000));
  // The third one began somewhere between.
  const { events } = readers[2];
  assert.deepStrictEqual(events, numbers(events.length, 2000 - events.length));
});

ours('a live history of a stream that does not exist yet has its first entry', async (_, scene) => {
  const reader = follow(scene);
  await until(async () => (await scene.redis.call('CLIENT', 'LIST')).includes('cmd=xread'));
  await append(scene, 1);
  await until(() => reader.events.length === 1);
});

ours('a reader that was stopped resumes after its last id', async (_, scene) => {
  await append(scene, 50);
  const seen = [];
  for await (const { id, values } of scene.connection.history({ stream: scene.stream })) {
    seen.push([id, values.event]);
    if (seen.length === 20) break;
  }
  const rest = await read(scene, { fromId: seen.at(-1)[0] });
  assert.deepStrictEqual([...seen.map(([, event]) => event), ...eventsOf(rest)], numbers(50));
});

ours('a slow reader holds one page, and the stream the rest', async (_, scene) => {
  await append(scene, 3000);
  const monitor = await scene.monitor();
  const history = scene.connection.history({ stream: scene.stream });
  for (let count = 0; count < 11; count++) await history.next();
  assert.ok((await monitor.named('XRANGE')).length <= 2);
  await history.return();
});

ours('the connection of a history ends with a break, an abort, the end and a stop', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  await append(scene, 20, { connection });
  // The connection of this test, and the shared one of the bus.
  const idle = 2;
  const isIdle = () => until(async () => (await connections(redis)) === idle, { what: 'no further connection' });
  await read(scene, {}, connection);
  await isIdle();
  for await (const _entry of connection.history({ stream: scene.stream })) break;
  await isIdle();
  // Neither an abort nor a stop waits for the end of a read.
  const reader = follow(scene, { blockTimeout: 60_000 }, connection);
  await until(() => reader.events.length === 20);
  assert.strictEqual(await connections(redis), idle + 1);
  reader.abort.abort(new Error('enough'));
  assert.strictEqual((await reader.ended).message, 'enough');
  await isIdle();
  const another = follow(scene, { blockTimeout: 60_000 }, connection);
  await until(() => another.events.length === 20);
  await connection.stop();
  assert.strictEqual((await another.ended).code, 'CONNECTION_CLOSED');
  await until(async () => (await connections(redis)) === 1);
});

ours('a live history survives cut connections and restarts without a gap or a repeat', async (_, scene) => {
  const redis = await scene.server('--appendonly', 'yes', '--appendfsync', 'always');
  const reader = follow(scene, { blockTimeout: 200 }, scene.connect(redis.options));
  const sender = scene.connect(redis.options);
  for (let from = 0; from < 1000; from += 100) {
    await append(scene, 100, { from, connection: sender });
    await until(() => reader.events.length > from);
    if (from === 300 || from === 700) {
      redis.crash();
      await redis.start();
    } else await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  }
  await until(() => reader.events.length >= 1000);
  // A send whose connection is cut can be there twice; each entry is read once.
  assert.strictEqual(new Set(reader.entries.map(({ id }) => id)).size, reader.entries.length);
  assert.deepStrictEqual([...new Set(reader.events)], numbers(1000));
  assert.deepStrictEqual(reader.events, eventsOf(await read(scene, {}, sender)));
});

ours('a blocking read of a live history ends before commandTimeout', async (_, scene) => {
  const reader = follow(scene, {}, scene.connect({ commandTimeout: 60 }));
  await append(scene, 1);
  await until(() => reader.events.length === 1);
  const monitor = await scene.monitor();
  await until(async () => (await monitor.named('XREAD')).length > 3);
  await append(scene, 1, { from: 1 });
  await until(() => reader.events.length === 2);
  assert.deepStrictEqual(reader.events, [0, 1]);
});

ours('a history waits for its connection without an offline queue, and fails if there is none', async (_, scene) => {
  await append(scene, 3);
  const connection = scene.connect({ enableOfflineQueue: false, lazyConnect: true });
  assert.deepStrictEqual(eventsOf(await read(scene, {}, connection)), [0, 1, 2]);
  const nowhere = scene.connect({ port: 1, enableOfflineQueue: false });
  await assert.rejects(read(scene, {}, nowhere), { code: 'ECONNREFUSED' });
});

ours('a live history leaves a network that has become silent', async (_, scene) => {
  const proxy = await TcpProxy.to(scene.redis.port);
  scene.closing(() => proxy.close());
  const reader = follow(scene, { blockTimeout: 100 }, scene.connect({ ...proxy.options, socketTimeout: 100 }));
  await append(scene, 1);
  await until(() => reader.events.length === 1);
  proxy.blackHolePresent();
  await append(scene, 1, { from: 1 });
  await until(() => reader.events.length === 2);
  assert.deepStrictEqual(reader.events, [0, 1]);
});

ours('removed entries before a position are an error with their number', async (_, scene) => {
  await append(scene, 100);
  const history = scene.connection.history({ stream: scene.stream });
  const seen = [];
  for (let count = 0; count < 10; count++) seen.push((await history.next()).value);
  await scene.redis.call('XTRIM', keys.stream(scene.stream), 'MAXLEN', '60');
  const error = await history.next().then(assert.fail, (reason) => reason);
  assert.strictEqual(error.code, 'HISTORY_TRIMMED');
  const count = (await countsEntries(scene.redis)) ? 30 : null;
  assert.deepStrictEqual([error.stream, error.after, error.count], [scene.stream, seen.at(-1).id, count]);
  assert.deepStrictEqual(eventsOf(await read(scene, { fromId: error.after, onTrimmed: () => {} })), numbers(60, 40));
  assert.strictEqual((await read(scene))[0].id, error.oldest);
});

ours('onTrimmed is called once for a gap, and the history goes on behind it', async (_, scene) => {
  const gaps = [];
  const onTrimmed = (gap) => gaps.push(gap);
  await append(scene, 100);
  await scene.redis.call('XTRIM', keys.stream(scene.stream), 'MAXLEN', '60');
  assert.deepStrictEqual(eventsOf(await read(scene, { fromId: '0', onTrimmed })), numbers(60, 40));
  const [{ id: oldest }] = await read(scene);
  const isKnown = await countsEntries(scene.redis);
  assert.deepStrictEqual(gaps, isKnown ? [{ stream: scene.stream, after: '0-0', oldest, count: 40 }] : []);
});

ours('trimming of entries that were read is no gap', async (_, scene) => {
  const key = keys.stream(scene.stream);
  const gaps = [];
  const reader = follow(scene, { onTrimmed: (gap) => gaps.push(gap) });
  for (let from = 0; from < 50; from += 10) {
    await append(scene, 10, { from });
    await until(() => reader.events.length === from + 10);
    await scene.redis.call('XTRIM', key, 'MAXLEN', from % 20 === 0 ? '0' : '3');
  }
  assert.deepStrictEqual(reader.events, numbers(50));
  // Older servers cannot tell it from a gap.
  if (await countsEntries(scene.redis)) assert.deepStrictEqual(gaps, []);
});

ours('a position whose entry is gone is a gap of unknown size', async (_, scene) => {
  await append(scene, 10);
  const [first] = await read(scene);
  await scene.redis.call('XTRIM', keys.stream(scene.stream), 'MAXLEN', '5');
  const gaps = [];
  const entries = await read(scene, { fromId: first.id, onTrimmed: (gap) => gaps.push(gap.count) });
  assert.deepStrictEqual([eventsOf(entries), gaps], [numbers(5, 5), [null]]);
  await assert.rejects(read(scene, { fromId: first.id }), { code: 'HISTORY_TRIMMED', count: null });
});

ours('a server that has lost its data is an error of a live history', async (_, scene) => {
  const redis = await scene.server();
  const reader = follow(scene, { blockTimeout: 50 }, scene.connect(redis.options));
  const sender = scene.connect(redis.options);
  await append(scene, 10, { connection: sender });
  await until(() => reader.events.length === 10);
  await redis.restart();
  await append(scene, 10, { from: 10, connection: sender });
  assert.strictEqual((await reader.ended).code, 'HISTORY_TRIMMED');
  assert.deepStrictEqual(reader.events, numbers(10));
});

ours('a stream that was deleted is a gap, and its new entries follow', async (_, scene) => {
  const gaps = [];
  await append(scene, 5);
  const reader = follow(scene, { blockTimeout: 50, onTrimmed: ({ count }) => gaps.push(count) });
  await until(() => reader.events.length === 5);
  await scene.redis.call('DEL', keys.stream(scene.stream));
  await until(() => gaps.length === 1);
  await append(scene, 5, { from: 5 });
  await until(() => reader.events.length === 10);
  assert.deepStrictEqual([reader.events, gaps], [numbers(10), [null]]);
});

ours('a deleted entry is no gap while older ones are there', async (_, scene) => {
  await append(scene, 10);
  const entries = await read(scene);
  await scene.redis.call('XDEL', keys.stream(scene.stream), entries[4].id, entries[5].id);
  assert.deepStrictEqual(eventsOf(await read(scene, { fromId: entries[4].id })), [6, 7, 8, 9]);
  assert.deepStrictEqual(eventsOf(await read(scene, { fromId: entries[0].id })), [1, 2, 3, 6, 7, 8, 9]);
});

ours('a history reads the node of its route', async (_, scene) => {
  const connection = scene.partition(await scene.nodes());
  const stream = scene.nameOn(2, 'stream');
  await append(scene, 3, { stream, connection });
  assert.deepStrictEqual(eventsOf(await read(scene, { stream }, connection)), numbers(3));
  const route = scene.nameOn(1, 'route');
  const producer = scene.producer(connection);
  await producer.send({ stream, route, job: producer.job().set('event', 7), payload: 'entry' });
  assert.deepStrictEqual(eventsOf(await read(scene, { stream, route }, connection)), [7]);
});

for (const [title, options] of [
  ['fromId and since', { fromId: '0', since: 0 }],
  ['fromId', { fromId: 'x' }],
  ['fromId', { fromId: 5 }],
  ['since', { since: new Date(Number.NaN) }],
  ['since', { since: '2026-01-01' }],
  ['route', { route: Symbol('all') }],
  ['onTrimmed', { onTrimmed: true }],
  ['signal', { signal: {} }],
  ['blockTimeout', { blockTimeout: 0 }],
]) {
  ours(`history() refuses an invalid ${title}: ${String(Object.values(options)[0])}`, (_, scene) => {
    assert.throws(() => scene.connection.history({ stream: 's', ...options }), new RegExp(title.split(' ')[0]));
  });
}
