'use strict';

/* producer.sendAll(): several jobs in one write. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');

/** Commands of the handshake. */
const HANDSHAKE = ['INFO', 'CLIENT', 'TIME'];

/** Ids of the jobs in a stream, in order. */
async function jobsIn(scene, stream = scene.stream) {
  const entries = await scene.redis.call('XRANGE', keys.stream(stream), '-', '+');
  return entries.map(([, fields]) => fields[fields.indexOf('job') + 1]);
}

/** Options of sends to the stream of the case. */
function sends(scene, producer, ids, options) {
  return ids.map((id) => ({ stream: scene.stream, job: producer.job(id), ...options }));
}

ours('sendAll() resolves with the jobs in order, and one write has all of them', async (_, scene) => {
  const proxy = await TcpProxy.to(scene.redis.port);
  scene.closing(() => proxy.close());
  const producer = scene.producer(scene.connect(proxy.options));
  await producer.send({ stream: scene.stream, job: producer.job('first') });
  const written = proxy.record();
  const ids = Array.from({ length: 20 }, (_, index) => `job-${index}`);
  const jobs = sends(scene, producer, ids);
  const sent = await producer.sendAll(jobs);
  assert.deepStrictEqual(
    sent,
    jobs.map(({ job }) => job),
  );
  assert.deepStrictEqual(await jobsIn(scene), ['first', ...ids]);
  assert.strictEqual(written.length, 1);
});

ours('sendAll() sends payloads, and each job learns its own completions', async (_, scene) => {
  await scene.play(
    async (job) => {
      const { inbound } = await job.get('inbound', false).pull();
      if (inbound === 1) throw new Error('one');
      job.set('outbound', inbound * 10);
    },
    { concurrency: 10 },
  );
  const producer = scene.producer();
  const given = [0, 1, 2].map((inbound) => {
    const options = { waitFor: [scene.group], returns: ['outbound'], payload: inbound === 2 ? 'entry' : 'keys' };
    return { stream: scene.stream, job: producer.job().set('inbound', inbound), ...options };
  });
  const jobs = await producer.sendAll(given);
  const completions = await Promise.all(jobs.map((job) => job.finished(8000)));
  assert.strictEqual(completions[1][scene.group].message, 'one');
  const answers = await Promise.all([jobs[0], jobs[2]].map((job) => job.get('outbound', false).pull()));
  assert.deepStrictEqual(answers, [{ outbound: 0 }, { outbound: 20 }]);
});

ours('sendAll() rejects invalid options with the index of the send, before anything is sent', async (_, scene) => {
  const producer = scene.producer();
  const [valid, other] = sends(scene, producer, ['a', 'b']);
  const shared = producer.job().set('key', 1);
  const cases = [
    [{ 0: valid, length: 1 }, 'sends must be an array'],
    [[valid, null], 'sends[1]: job must be a Job'],
    [[valid, { ...other, stream: undefined }], 'sends[1]: stream must be a string'],
    [[valid, { ...other, returns: ['key'] }], 'sends[1]: returns needs waitFor'],
    [[valid, { ...other, capped: -1 }], 'sends[1]: capped must be a whole number from 0 on'],
    [
      [valid, { stream: 's', job: producer.job().set('key', 1, 99), payload: 'entry' }],
      "sends[1]: payload: 'entry' cannot keep the timeout of 'key'",
    ],
    [
      [
        { stream: scene.stream, job: shared, payload: 'entry' },
        { stream: 'other', job: shared },
      ],
      "sends[1]: payload: 'entry' needs a job of its own",
    ],
  ];
  for (const [given, message] of cases) {
    for (const atomic of [false, true]) {
      await assert.rejects(producer.sendAll(given, { atomic }), (error) => {
        assert.ok(error instanceof TypeError || error instanceof RangeError, String(error));
        assert.strictEqual(error.message, message);
        return true;
      });
    }
  }
  await assert.rejects(producer.sendAll([valid], 7), { message: 'options must be an object' });
  assert.deepStrictEqual(await producer.sendAll([]), []);
  assert.deepStrictEqual(await producer.sendAll([], { atomic: true }), []);
  assert.deepStrictEqual([await jobsIn(scene), (await producer.stats()).sent], [[], 0]);
});

ours('sendAll() rejects with the reason of each job that was not sent, and sends the others', async (_, scene) => {
  const wrong = scene.name('wrong');
  await scene.redis.call('SET', keys.stream(wrong), 'in the way');
  const producer = scene.producer();
  const given = sends(scene, producer, ['a', 'b', 'c']);
  given[1] = { ...given[1], stream: wrong, waitFor: [scene.group] };
  for (const atomic of [false, true]) {
    const error = await producer.sendAll(given, { atomic }).then(assert.fail, (reason) => reason);
    assert.ok(error instanceof AggregateError);
    assert.strictEqual(error.code, 'SEND_ALL_FAILED');
    assert.match(error.message, /^1 of 3 jobs were not sent: WRONGTYPE /);
    assert.deepStrictEqual(
      error.results.map(({ status, value }) => [status, value?.id]),
      [
        ['fulfilled', 'a'],
        ['rejected', undefined],
        ['fulfilled', 'c'],
      ],
    );
    const [reason, ...others] = error.errors;
    const { code, command, node } = reason;
    assert.deepStrictEqual([code, command, node], ['WRONGTYPE', 'XADD', `127.0.0.1:${scene.redis.port}`]);
    assert.deepStrictEqual([others, error.cause === reason, given[1].job.finished], [[], true, undefined]);
  }
  assert.deepStrictEqual(await jobsIn(scene), ['a', 'c', 'a', 'c']);
  const { sent, failed, waiting, inFlight } = await producer.stats();
  assert.deepStrictEqual({ sent, failed, waiting, inFlight }, { sent: 4, failed: 2, waiting: 0, inFlight: 0 });
});

ours('sendAll() with atomic sends one transaction, after the subscription of every stream', async (_, scene) => {
  const other = scene.name('stream');
  const producer = scene.producer();
  const monitor = await scene.monitor();
  const [a, b, c] = ['a', 'b', 'c'].map((id) => producer.job(id).set('key', id, id === 'c' ? 60_000 : undefined));
  const together = producer.sendAll(
    [
      { stream: scene.stream, job: a, waitFor: [scene.group] },
      { stream: other, job: b, waitFor: [scene.group], payload: 'entry' },
      { stream: scene.stream, job: c },
    ],
    { atomic: true },
  );
  const later = producer.send({ stream: scene.stream, job: producer.job('later') });
  await Promise.all([together, later]);
  const commands = await monitor.commands();
  const names = commands.map(([name]) => name).filter((name) => !HANDSHAKE.includes(name));
  const transaction = ['MULTI', 'SET', 'XADD', 'XADD', 'PSETEX', 'XADD', 'EXEC'];
  assert.deepStrictEqual(names.slice(-8), [...transaction, 'XADD']);
  // The empty transaction asks for the right, once. Each stream is asked for its groups.
  const before = ['EXEC', 'MULTI', 'SUBSCRIBE', 'SUBSCRIBE', 'XINFO', 'XINFO'];
  assert.deepStrictEqual(names.slice(0, -8).sort(), before);
  assert.deepStrictEqual([await jobsIn(scene), await jobsIn(scene, other)], [['a', 'c', 'later'], ['b']]);
  assert.deepStrictEqual(await scene.redis.call('GET', keys.payload('c', 'key')), '"c"');
  // The diagnosis names the entry of each wait.
  for (const [job, stream, at] of [
    [a, scene.stream, 0],
    [b, other, 0],
  ]) {
    const error = await job.finished(20).then(assert.fail, (reason) => reason);
    const entries = await scene.redis.call('XRANGE', keys.stream(stream), '-', '+');
    assert.strictEqual(error.diagnosis.entry, entries[at][0]);
  }
});

ours('no job overtakes a transaction that waits for its subscriptions', async (_, scene) => {
  const [unheard, other] = [scene.name('unheard'), scene.name('other')];
  const producer = scene.producer();
  const send = (stream, id, waitFor) => ({ stream, job: producer.job(id), waitFor });
  await producer.send(send(unheard, 'first'));
  await Promise.all([
    producer.send(send(scene.stream, 'a', [scene.group])),
    producer.sendAll([send(scene.stream, 'b'), send(unheard, 'b'), send(other, 'b', [scene.group])], { atomic: true }),
    producer.send(send(unheard, 'c')),
    producer.send(send(scene.stream, 'c')),
    producer.sendAll([send(other, 'd'), send(unheard, 'd')], { atomic: true }),
    producer.send(send(unheard, 'e')),
  ]);
  const found = await Promise.all([scene.stream, unheard, other].map((stream) => jobsIn(scene, stream)));
  assert.deepStrictEqual(found, [
    ['a', 'b', 'c'],
    ['first', 'b', 'c', 'd', 'e'],
    ['b', 'd'],
  ]);
});

ours('sendAll() with atomic sends nothing if Redis refuses one command, and keeps the values', async (_, scene) => {
  const user = scene.name('user');
  const forbidden = scene.name('forbidden');
  const rights = ['on', '>secret', `~${keys.stream(scene.stream)}`, '~hfxbus:job:*', '&*', '+@all'];
  await scene.redis.call('ACL', 'SETUSER', user, ...rights);
  const producer = scene.producer(scene.connect({ username: user, password: 'secret' }));
  const [a, b, c] = ['a', 'b', 'c'].map((id) => scene.name(id));
  const jobs = [a, b, c].map((id) => producer.job(id).set('key', id));
  const given = jobs.map((job, index) => ({ stream: index === 1 ? forbidden : scene.stream, job }));
  const error = await producer.sendAll(given, { atomic: true }).then(assert.fail, (reason) => reason);
  assert.strictEqual(error.code, 'SEND_ALL_FAILED');
  assert.deepStrictEqual(
    error.errors.map(({ code, command }) => [code, command]),
    Array(3).fill(['NOPERM', 'XADD']),
  );
  const written = await scene.redis.call('EXISTS', keys.payload(a, 'key'), keys.payload(c, 'key'));
  assert.deepStrictEqual([await jobsIn(scene), written], [[], 0]);
  await producer.sendAll(
    jobs.map((job) => ({ stream: scene.stream, job })),
    { atomic: true },
  );
  assert.deepStrictEqual(await jobsIn(scene), [a, b, c]);
  assert.strictEqual(await scene.redis.call('GET', keys.payload(c, 'key')), JSON.stringify(c));
});

ours('sendAll() with atomic sends nothing without the right to MULTI', async (_, scene) => {
  const user = scene.name('user');
  await scene.redis.call('ACL', 'SETUSER', user, 'on', '>secret', '~*', '&*', '+@all', '-multi');
  const producer = scene.producer(scene.connect({ username: user, password: 'secret' }));
  const given = sends(scene, producer, ['a', 'b']);
  const together = producer.sendAll(given, { atomic: true });
  const later = producer.send({ stream: scene.stream, job: producer.job('later') });
  const error = await together.then(assert.fail, (reason) => reason);
  assert.deepStrictEqual([error.cause.code, error.cause.command, error.errors.length], ['NOPERM', 'MULTI', 2]);
  await later;
  assert.deepStrictEqual(await jobsIn(scene), ['later']);
  await scene.redis.call('ACL', 'SETUSER', user, '+multi');
  await producer.sendAll(given, { atomic: true });
  assert.deepStrictEqual(await jobsIn(scene), ['later', 'a', 'b']);
});

ours('sendAll() with atomic sends nothing if a subscription is refused', async (_, scene) => {
  const user = scene.name('user');
  const [silent, heard] = [scene.name('silent'), scene.name('heard')];
  const channels = [`&hfxbus:chn:${heard}:*`];
  await scene.redis.call('ACL', 'SETUSER', user, 'on', '>secret', '~*', 'resetchannels', ...channels, '+@all');
  const producer = scene.producer(scene.connect({ username: user, password: 'secret' }));
  const job = (id, stream) => ({ stream, job: producer.job(id), waitFor: [scene.group] });
  const given = [job('a', heard), job('b', silent)];
  const together = producer.sendAll(given, { atomic: true });
  const later = producer.sendAll([job('later', heard)], { atomic: true });
  const error = await together.then(assert.fail, (reason) => reason);
  assert.deepStrictEqual(
    error.errors.map(({ code }) => code),
    ['NOPERM', 'NOPERM'],
  );
  await later;
  assert.deepStrictEqual([await jobsIn(scene, heard), await jobsIn(scene, silent)], [['later'], []]);
  assert.strictEqual((await producer.stats()).waiting, 1);
});

ours('sendAll() with atomic takes more streams than the producer keeps plans for', async (_, scene) => {
  const producer = scene.producer();
  const streams = Array.from({ length: 1200 }, () => scene.name('stream'));
  const given = streams.map((stream) => ({ stream, job: producer.job(stream) }));
  for (let round = 0; round < 2; round++) await producer.sendAll(given, { atomic: true });
  for (const stream of [streams[0], streams.at(-1)]) {
    assert.deepStrictEqual(await jobsIn(scene, stream), [stream, stream]);
  }
});

ours('sendAll() with atomic is refused on several nodes, and sends nothing', async (_, scene) => {
  const nodes = await scene.nodes();
  const producer = scene.producer(scene.partition(nodes));
  const given = sends(scene, producer, ['a', 'b']);
  await assert.rejects(producer.sendAll(given, { atomic: true }), (error) => {
    return error instanceof TypeError && error.message.startsWith('atomic needs one Redis');
  });
  for (const redis of nodes) assert.strictEqual(await scene.length(scene.stream, redis), 0);
  const jobs = given.map((options) => ({ ...options, job: options.job.set('key', 'value') }));
  await producer.sendAll(jobs);
  const counts = await Promise.all(nodes.map((redis) => scene.length(scene.stream, redis)));
  assert.strictEqual(
    counts.reduce((sum, count) => sum + count),
    2,
  );
});

ours('a transaction that is longer than the queue is refused, also after a subscription', async (_, scene) => {
  const producer = scene.producer(scene.connect({ maxQueuedCommands: 4 }));
  for (const waitFor of [[scene.group], null]) {
    const error = await producer
      .sendAll(sends(scene, producer, ['a', 'b', 'c'], { waitFor }), { atomic: true })
      .then(assert.fail, (reason) => reason);
    assert.deepStrictEqual(
      error.errors.map(({ code }) => code),
      Array(3).fill('REQUEST_TOO_LARGE'),
    );
  }
  await producer.sendAll(sends(scene, producer, ['a', 'b'], { waitFor: [scene.group] }), { atomic: true });
  assert.deepStrictEqual([await jobsIn(scene), (await producer.stats()).waiting], [['a', 'b'], 2]);
});

ours('a transaction that waits for its subscription ends with the producer', async (_, scene) => {
  const server = await scene.server();
  const producer = scene.producer(scene.connect(server.options));
  await producer.send({ stream: scene.stream, job: producer.job() });
  server.crash();
  const given = sends(scene, producer, ['a', 'b'], { waitFor: [scene.group] });
  const together = producer.sendAll(given, { atomic: true });
  await producer.stats();
  await producer.close();
  const error = await together.then(assert.fail, (reason) => reason);
  assert.deepStrictEqual(
    error.errors.map(({ code }) => code),
    ['CONNECTION_CLOSED', 'CONNECTION_CLOSED'],
  );
  const { waiting, inFlight } = await until(async () => producer.stats());
  assert.deepStrictEqual({ waiting, inFlight }, { waiting: 0, inFlight: 0 });
});
