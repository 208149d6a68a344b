'use strict';

const assert = require('node:assert');
const original = require('hfxbus-original');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { stays, until } = require('../support/wait-until.js');

/** A job that is waited for and that a consumer without a voice has taken. */
async function taken(scene, options = {}) {
  const { redis, stream, group } = scene;
  await redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(group), '0', 'MKSTREAM');
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job(), waitFor: [group], ...options });
  const entry = await take(scene);
  return { producer, job, entry, finished: watch(job.finished()) };
}

/** Has the group's next entry delivered. */
async function take({ redis, stream, group }) {
  const reply = await redis.call('XREADGROUP', 'GROUP', keys.group(group), 'mute', 'STREAMS', keys.stream(stream), '>');
  return reply[0][1][0][0];
}

const acknowledge = ({ redis, stream, group }, entry) =>
  redis.call('XACK', keys.stream(stream), keys.group(group), entry);

/** A promise that can be looked at. */
function watch(promise) {
  const watched = promise.finally(() => {
    watched.isOver = true;
  });
  watched.catch(() => {});
  return watched;
}

/** Cuts the subscriber's connection, and waits until it is there again. */
async function cut(redis) {
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await until(async () => (await redis.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).includes('sub=1'));
}

/** Returns the number of outcome queries since the start; Redis 6.2 does not count subcommands. */
const asked = async ({ redis }) =>
  Number((await redis.call('INFO', 'commandstats')).match(/cmdstat_xinfo(?:\|groups)?:calls=(\d+)/)?.[1] ?? 0);

ours('a missed success is recovered after the subscriber reconnects', async (_, scene) => {
  const { job, entry, finished } = await taken(scene);
  await acknowledge(scene, entry);
  await cut(scene.redis);
  const completions = await finished;
  assert.ok(completions[scene.group] instanceof Date);
  assert.strictEqual(await job.finished(), completions);
});

ours('a running job, or a failure without a record, is not taken for a success', async (_, scene) => {
  const { entry, finished } = await taken(scene);
  const before = await asked(scene);
  await cut(scene.redis);
  await until(async () => (await asked(scene)) > before);
  await stays(() => !finished.isOver, 100);
  await acknowledge(scene, entry);
  await cut(scene.redis);
  assert.ok((await finished)[scene.group] instanceof Date);
});

ours('an unread job is still awaited after a reconnection, and its completion is received', async (_, scene) => {
  const { redis, stream, group } = scene;
  await redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(group), '0', 'MKSTREAM');
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job(), waitFor: [group], durable: true });
  const finished = watch(job.finished());
  const before = await asked(scene);
  await cut(redis);
  await until(async () => (await asked(scene)) > before);
  await scene.play(async () => {});
  assert.ok((await finished)[group] instanceof Date);
});

ours('no outcome is queried for a group whose completion was received', async (_, scene) => {
  const other = scene.name('group');
  const { producer, job, entry, finished } = await taken(scene, {
    waitFor: [scene.group, other],
    rejectOnError: false,
  });
  await scene.complete(job.id, producer.id, { group: other, err: 'no' });
  await acknowledge(scene, entry);
  await cut(scene.redis);
  const completions = await finished;
  assert.strictEqual(completions[other], 'no');
  assert.ok(completions[scene.group] instanceof Date);
});

ours('a deleted entry has the outcome OUTCOME_UNKNOWN', async (_, scene) => {
  const { entry, finished } = await taken(scene);
  await acknowledge(scene, entry);
  await scene.redis.call('XDEL', keys.stream(scene.stream), entry);
  await cut(scene.redis);
  const { code, name, message } = (await finished)[scene.group];
  assert.deepStrictEqual([code, name], ['OUTCOME_UNKNOWN', 'Error']);
  assert.match(message, new RegExp(scene.stream));
});

ours('an entry of a deleted stream has the outcome OUTCOME_UNKNOWN', async (_, scene) => {
  const { finished } = await taken(scene);
  await scene.redis.call('DEL', keys.stream(scene.stream));
  await cut(scene.redis);
  assert.strictEqual((await finished)[scene.group].code, 'OUTCOME_UNKNOWN');
});

ours('durable jobs are recorded before their completion is published, for the given time', async (_, scene) => {
  const { redis, stream, group } = scene;
  const producer = scene.producer();
  const heard = await scene.hear(keys.channel(stream, producer.id));
  const error = Object.assign(new Error('no'), { code: 'NO' });
  await scene.play(async ({ id }) => {
    if (id === 'fails') throw error;
  });
  const monitor = await scene.monitor();
  for (const id of ['succeeds', 'fails']) {
    const job = await producer.send({ stream, job: producer.job(id), waitFor: [group], durable: { ttl: 60000 } });
    await job.finished();
  }
  const entries = await redis.call('XRANGE', keys.stream(stream), '-', '+');
  assert.deepStrictEqual(
    entries.map(([, fields]) => fields),
    ['succeeds', 'fails'].map((id) => ['prd', producer.id, 'job', id, 'rec', '60000']),
  );
  await until(() => heard.length === 2);
  for (const [index, [entry]] of entries.entries()) {
    const key = keys.record(entry, stream, group);
    assert.strictEqual(await redis.call('GET', key), heard[index].message);
    const left = await redis.call('PTTL', key);
    assert.ok(left > 0 && left <= 60000, left);
  }
  const told = await monitor.named('SET', 'XACK', 'PUBLISH');
  assert.deepStrictEqual(
    told.map(([name]) => name),
    ['SET', 'XACK', 'PUBLISH', 'SET', 'PUBLISH'],
  );
});

ours('jobs that are not durable, or have no waitFor, are neither marked nor recorded', async (_, scene) => {
  const { redis, stream, group } = scene;
  const producer = scene.producer();
  await scene.play(async () => {});
  for (const durable of [undefined, null, false]) {
    const job = await producer.send({ stream, job: producer.job('J'), waitFor: [group], durable });
    await job.finished();
  }
  // No producer would read these records.
  await producer.send({ stream, job: producer.job('J'), durable: true });
  await producer.send({ stream, job: producer.job('J'), waitFor: [], durable: true });
  const entries = await redis.call('XRANGE', keys.stream(stream), '-', '+');
  assert.strictEqual(entries.length, 5);
  for (const [, fields] of entries) assert.deepStrictEqual(fields, ['prd', producer.id, 'job', 'J']);
  await until(async () => (await scene.pending()) === 0);
  assert.deepStrictEqual(await redis.call('KEYS', `hfxbus:rec:*:${stream}:*`), []);
});

ours('a missed failure is recovered from its record after the subscriber reconnects', async (_, scene) => {
  const { job, entry, finished } = await taken(scene, { durable: true, rejectOnError: true });
  const { redis, stream, group } = scene;
  const message = { str: stream, grp: group, job: job.id, err: { message: 'no', code: 'NO' } };
  await redis.call('SET', keys.record(entry, stream, group), JSON.stringify(message));
  await cut(redis);
  const completions = await finished.then(assert.fail, (reason) => reason);
  assert.deepStrictEqual({ ...completions }, { [group]: { message: 'no', code: 'NO' } });
});

ours('a durable job settles within 5 s even if only its completion was lost', async (_, scene) => {
  const { job, entry, finished } = await taken(scene, { durable: true });
  const start = Date.now();
  const { redis, stream, group } = scene;
  await redis.call('SET', keys.record(entry, stream, group), JSON.stringify({ str: stream, grp: group, job: job.id }));
  assert.ok((await finished)[group] instanceof Date);
  assert.ok(Date.now() - start < 5000);
});

ours('a durable job settles after a consumer of 2.2.0 ran it', async (_, scene) => {
  const { entry, finished } = await taken(scene, { durable: true });
  await acknowledge(scene, entry);
  assert.ok((await finished)[scene.group] instanceof Date);
});

ours('a consumer of 2.2.0 runs durable jobs like other jobs', async (_, scene) => {
  const { stream, group } = scene;
  const connection = scene.adopt(original.ConnectionManager.standalone(scene.redis.options));
  const consumer = new original.Consumer(connection, { group, blockTimeout: 50 });
  const ran = [];
  consumer.process({
    stream,
    processor: async ({ id }) => {
      ran.push(id);
      if (id === 'fails') throw new Error('no');
    },
  });
  await consumer.play();
  const producer = scene.producer();
  const [succeeds, fails] = await Promise.all(
    ['succeeds', 'fails'].map(async (id) => {
      const job = await producer.send({ stream, job: producer.job(id), waitFor: [group], durable: true });
      return (await job.finished())[group];
    }),
  );
  assert.ok(succeeds instanceof Date);
  assert.strictEqual(fails.message, 'no');
  assert.deepStrictEqual(ran, ['succeeds', 'fails']);
  await consumer.pause();
});

ours('the record of an earlier send does not settle a job that is sent again', async (_, scene) => {
  const { redis, stream, group } = scene;
  const { producer, job, entry, finished } = await taken(scene, { durable: true });
  const message = JSON.stringify({ str: stream, grp: group, job: job.id, err: 'the first time' });
  await redis.call('SET', keys.record(entry, stream, group), message);
  const again = await producer.send({ stream, job: producer.job(job.id), waitFor: [group], durable: true });
  const second = watch(again.finished());
  const next = await take(scene);
  assert.strictEqual((await finished)[group], 'the first time');
  await stays(() => !second.isOver, 100);
  await acknowledge(scene, next);
  assert.ok((await second)[group] instanceof Date);
});

ours('a long error is cut, and is recorded as it is published', async (_, scene) => {
  const { redis, stream, group } = scene;
  const producer = scene.producer();
  await scene.play(async () => {
    throw Object.assign(new TypeError('too much'), { code: 'BIG', blob: 'x'.repeat(20000) });
  });
  const job = await producer.send({ stream, job: producer.job(), waitFor: [group], durable: true });
  const heard = (await job.finished())[group];
  const { name, message, code, truncated, blob } = heard;
  assert.deepStrictEqual([name, message, code, truncated], ['TypeError', 'too much', 'BIG', true]);
  assert.match(blob, /^x{4000,}… \[Truncated\]$/);
  const [key] = await redis.call('KEYS', `hfxbus:rec:*:${stream}:*`);
  assert.deepStrictEqual(JSON.parse(await redis.call('GET', key)).err, heard);
});

/** Starts a producer behind a proxy, and a job of it that fails while the proxy refuses connections. */
async function unheard(scene, { processor, ...options } = {}) {
  const { redis, stream, group } = scene;
  const proxy = await TcpProxy.to(redis.port);
  scene.closing(() => proxy.close());
  const producer = scene.producer(scene.connect({ ...proxy.options, retryStrategy: () => 20 }));
  const gate = new Gate();
  const consumer = await scene.play(processor ?? (() => gate.opened.then(() => assert.fail('unheard'))), options);
  const job = await producer.send({ stream, job: producer.job(), waitFor: [group] });
  await until(async () => (await scene.pending()) === 1);
  const [[entry]] = await redis.call('XRANGE', keys.stream(stream), '-', '+');
  proxy.refuse();
  proxy.cut();
  await until(async () => !(await redis.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).includes('sub=1'));
  return { consumer, producer, job, gate, proxy, record: keys.unheard(entry, stream, group) };
}

ours('a failure without a subscriber is recovered after the producer reconnects', async (_, scene) => {
  const { redis, group } = scene;
  const { job, gate, proxy, record } = await unheard(scene);
  gate.open();
  await until(() => redis.call('GET', record));
  const left = await redis.call('PTTL', record);
  assert.ok(left > 0 && left <= 60000, left);
  proxy.refuse(false);
  assert.strictEqual((await job.finished())[group].message, 'unheard');
});

ours('jobs settle that end while Redis closes an overloaded subscriber', async (_, scene) => {
  const redis = await scene.server();
  await redis.call('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1mb 0 0');
  const { stream, group } = scene;
  const connection = scene.connect(redis.options);
  const producer = scene.producer(connection);
  const large = 'x'.repeat(3_000_000);
  const processor = async ({ id }) => {
    // A large error as a consumer of 2.2.0 publishes it.
    await scene.complete('another', producer.id, { redis, err: large });
    if (id === 'fails') throw new Error('unheard');
  };
  await scene.play(processor, { connection, concurrency: 2 });
  const outcomes = ['fails', 'succeeds'].map(async (id) => {
    const job = await producer.send({ stream, job: producer.job(id), waitFor: [group] });
    return (await job.finished(8000))[group];
  });
  const [failure, success] = await Promise.all(outcomes);
  assert.deepStrictEqual([failure.message, success instanceof Date], ['unheard', true]);
});

ours('a success replaces an earlier failure that no subscriber received', async (_, scene) => {
  const { redis, group } = scene;
  let runs = 0;
  const gate = new Gate();
  const processor = async () => {
    await gate.opened;
    if (++runs === 1) throw new Error('unheard');
  };
  const { job, proxy, record } = await unheard(scene, { processor, claimInterval: 30, claimDeadline: 60 });
  gate.open();
  await until(() => redis.call('GET', record));
  await until(async () => (await scene.pending()) === 0);
  proxy.refuse(false);
  assert.ok((await job.finished())[group] instanceof Date);
});

ours(
  'a received failure is not recorded, and a refused record of another failure is not reported as an error',
  async (_, scene) => {
    const { redis, stream, group } = scene;
    const producer = scene.producer();
    const consumer = await scene.play(async () => assert.fail('heard'));
    const errors = scene.errors(consumer);
    const job = await producer.send({ stream, job: producer.job(), waitFor: [group] });
    assert.strictEqual((await job.finished())[group].message, 'heard');
    await redis.call('ACL', 'SETUSER', 'default', '-set');
    try {
      await scene.add('J');
      await until(async () => (await consumer.stats()).rejected === 2 && (await consumer.stats()).inFlight === 0);
    } finally {
      await redis.call('ACL', 'SETUSER', 'default', '+set');
    }
    await scene.add('K');
    await until(async () => (await redis.call('KEYS', `hfxbus:rec:unheard:*:${stream}:*`)).length === 1);
    assert.deepStrictEqual(
      [errors, await redis.call('KEYS', `hfxbus:rec:*:${stream}:*`)].map((all) => all.length),
      [0, 1],
    );
  },
);

ours('a refused outcome record fails the settlement, like a refused completion', async (_, scene) => {
  const { redis, stream, group } = scene;
  const producer = scene.producer();
  let settled;
  const consumer = await scene.play(async (job) => {
    await redis.call('ACL', 'SETUSER', 'default', '-set');
    settled = job.resolve().finally(() => redis.call('ACL', 'SETUSER', 'default', '+set'));
    settled.catch(() => {});
  });
  const errors = scene.errors(consumer);
  const job = await producer.send({ stream, job: producer.job(), waitFor: [group], durable: true });
  assert.ok((await job.finished())[group] instanceof Date);
  await assert.rejects(settled, { code: 'NOPERM' });
  assert.deepStrictEqual(errors, []);
});

ours('a job that is dead-lettered without a failure has the outcome EXHAUSTED', async (_, scene) => {
  const { group } = scene;
  const { finished, entry } = await taken(scene);
  const claiming = { claimInterval: 30, claimDeadline: 60, retryLimit: 1, deadLetter: scene.name('dead') };
  await scene.play(async () => {}, claiming);
  const { code, message } = (await finished)[group];
  assert.deepStrictEqual([code, message], ['EXHAUSTED', 'The job was given up after 1 deliveries']);
  assert.ok(await scene.redis.call('EXISTS', keys.record(entry, scene.stream, group)));
});

ours('a failed job that is dead-lettered keeps its failure as outcome', async (_, scene) => {
  const { redis, group } = scene;
  const { finished, job, producer } = await taken(scene, { waitFor: [group, 'other'] });
  const claiming = { claimInterval: 30, claimDeadline: 60, retryLimit: 2, deadLetter: scene.name('dead') };
  // The completion of the failure is lost.
  await redis.call('ACL', 'SETUSER', 'default', '-publish');
  const consumer = await scene.play(async () => {
    throw new Error('no');
  }, claiming);
  await new Promise((resolve) => consumer.once('exhausted', resolve));
  await redis.call('ACL', 'SETUSER', 'default', '+publish');
  await cut(redis);
  await scene.complete(job.id, producer.id, { group: 'other' });
  assert.strictEqual((await finished)[group].message, 'no');
});

ours('durable accepts true, false or a ttl', async (_, scene) => {
  const producer = scene.producer();
  const send = (durable) => producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['g'], durable });
  for (const wrong of ['yes', 1, () => {}])
    await assert.rejects(send(wrong), { name: 'TypeError', message: /durable/ });
  for (const ttl of [0, -1, Infinity, 0.5]) {
    await assert.rejects(send({ ttl }), { name: 'RangeError', message: /durable\.ttl/ });
  }
  await assert.rejects(send({ ttl: {} }), { name: 'TypeError', message: /durable\.ttl/ });
  await send({ ttl: undefined });
  await send(true);
  const entries = await scene.redis.call('XRANGE', keys.stream(scene.stream), '-', '+');
  assert.deepStrictEqual(
    entries.map(([, fields]) => fields.at(-1)),
    ['3600000', '3600000'],
  );
});

ours('a refused subscription is repeated until Redis accepts it, and is reported once', async (_, scene) => {
  const redis = await scene.server();
  await redis.call('ACL', 'SETUSER', 'bus', 'on', '>secret', 'allkeys', 'allchannels', '+@all');
  const options = { ...redis.options, username: 'bus', password: 'secret', retryStrategy: () => 10 };
  const producer = scene.producer(scene.connect(options));
  const heard = [];
  await producer.listen(scene.stream);
  producer.on(scene.stream, (_error, job) => heard.push(job));
  const errors = scene.errors(producer);
  const refuse = async () => {
    await redis.call('ACL', 'SETUSER', 'bus', 'resetchannels');
    // From 7 on Redis itself ends a connection with a subscription that is not allowed any more.
    await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  };
  await refuse();
  await until(() => errors.length > 0);
  await stays(() => errors.length === 1, 300);
  assert.strictEqual(errors[0].code, 'NOPERM');
  await redis.call('ACL', 'SETUSER', 'bus', 'allchannels');
  await until(async () => (await scene.complete('job-1', 'anybody', { redis })) === 1);
  await until(() => heard.includes('job-1'));
  await refuse();
  await until(() => errors.length === 2);
});
