'use strict';

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { channel } = require('node:diagnostics_channel');
const { setTimeout: sleep } = require('node:timers/promises');
const { inspect } = require('node:util');
const { keep, ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { hear } = require('../support/hearing.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const TOPICS = ['send', 'sent', 'receive', 'settle', 'claim', 'exhaust', 'trim', 'remove', 'connection'];

/** Counts the checks for subscribers of each channel, which has none, and its messages. */
function countQuestions(scene) {
  const counts = Object.fromEntries(TOPICS.map((topic) => [topic, { asked: 0, published: 0 }]));
  for (const topic of TOPICS) {
    const told = channel(`hfxbus:${topic}`);
    const asked = () => {
      counts[topic].asked++;
      return false;
    };
    Object.defineProperty(told, 'hasSubscribers', { get: asked, configurable: true });
    told.publish = () => counts[topic].published++;
    scene.closing(() => delete told.hasSubscribers && delete told.publish);
  }
  return counts;
}

ours(
  'without subscribers the bus checks once per send and once per burst, and publishes no messages at all',
  async (_, scene) => {
    const counts = countQuestions(scene);
    const producer = scene.producer();
    const jobs = Array.from({ length: 100 }, () => producer.job());
    await Promise.all(jobs.map((job) => producer.send({ stream: scene.stream, job })));
    let ran = 0;
    await scene.play(async () => ran++, { fromId: '0', concurrency: Infinity });
    await until(() => ran === 100);
    const asked = Object.fromEntries(Object.entries(counts).map(([topic, count]) => [topic, count.asked]));
    const { send, sent, receive, settle, claim, exhaust, trim } = asked;
    assert.deepStrictEqual(
      { send, sent, claim, exhaust, trim },
      { send: 100, sent: 100, claim: 0, exhaust: 0, trim: 0 },
    );
    // All of them were there, so that one read brought them.
    assert.deepStrictEqual({ receive, settle }, { receive: 1, settle: 1 });
    assert.ok(Object.values(counts).every(({ published }) => published === 0));
  },
);

ours('send is published before the job leaves, and sent after Redis accepted or refused it', async (_, scene) => {
  const [sends, sents] = [hear(scene, 'send'), hear(scene, 'sent')];
  const producer = scene.producer();
  const job = producer.job('job-1');
  const sending = producer.send({ stream: scene.stream, job, waitFor: ['a', 'b', 'a'] });
  assert.deepStrictEqual(sends, [{ producer, job, stream: scene.stream, waitFor: ['a', 'b'], headers: {} }]);
  assert.deepStrictEqual(sents, []);
  await sending;
  assert.deepStrictEqual([sents[0] === sends[0], 'error' in sents[0]], [true, false]);
  const taken = scene.name('taken');
  await scene.redis.call('SET', keys.stream(taken), 'no stream');
  const refused = await producer.send({ stream: taken, job: producer.job() }).catch((error) => error);
  assert.deepStrictEqual([sents[1] === sends[1], sents[1].error], [true, refused]);
  await assert.rejects(producer.send({ stream: scene.stream, job, capped: -1 }), RangeError);
  assert.strictEqual(sends.length, 2, 'what is not sent is not told');
});

ours('a subscriber of sent or of settle alone receives messages', async (_, scene) => {
  const [sents, settles] = [hear(scene, 'sent'), hear(scene, 'settle')];
  await scene.play(async () => {});
  const producer = scene.producer();
  await producer.send({ stream: scene.stream, job: producer.job('job-1') });
  await until(() => settles.length === 1);
  assert.deepStrictEqual([sents[0].job.id, settles[0].job.id, settles[0].outcome], ['job-1', 'job-1', 'resolved']);
});

ours(
  'receive is published when a processor is called, and settle with the same object when its job has ended',
  async (_, scene) => {
    const [receives, settles] = [hear(scene, 'receive'), hear(scene, 'settle')];
    const failure = new Error('mine');
    const told = [];
    const ends = {
      returns: async () => {},
      throws: () => {
        throw failure;
      },
      rejects: async () => Promise.reject(failure),
      resolves: (job) => job.resolve().then(() => Promise.reject(failure)),
      refuses: (job) => job.reject(failure),
      outlives: () => sleep(100),
    };
    const consumer = scene.consumer({ concurrency: 9 });
    consumer.on('error', () => {});
    const processor = (job) => {
      told.push([job.id, receives.at(-1).job === job]);
      return ends[job.id](job);
    };
    consumer.process({ stream: scene.stream, deadline: 20, processor });
    await consumer.play();
    for (const id of Object.keys(ends)) await scene.add(id);
    await until(() => settles.length === 6);
    assert.deepStrictEqual(
      told,
      Object.keys(ends).map((id) => [id, true]),
    );
    const { outcome, error, ...received } = settles.find(({ job }) => job.id === 'returns');
    const job = received.job;
    assert.deepStrictEqual(received, { consumer, job, stream: scene.stream, group: scene.group, headers: {} });
    assert.ok(settles.every((message) => receives.includes(message)));
    const outcomes = settles.map((message) => [message.job.id, message.outcome, message.error?.message]);
    assert.deepStrictEqual(Object.fromEntries(outcomes.map(([id, ...how]) => [id, how])), {
      returns: ['resolved', undefined],
      throws: ['rejected', 'mine'],
      rejects: ['rejected', 'mine'],
      resolves: ['resolved', undefined],
      refuses: ['rejected', 'mine'],
      outlives: ['timedOut', 'The job was running for too long'],
    });
    assert.deepStrictEqual([outcome, error], ['resolved', undefined]);
    assert.strictEqual(settles.find(({ job: { id } }) => id === 'throws').error, failure);
  },
);

ours('settle is published once for each job that stop() abandons', async (_, scene) => {
  const settles = hear(scene, 'settle');
  const gate = new Gate();
  const connection = scene.connect();
  const consumer = await scene.play(() => gate.opened, { connection });
  const errors = scene.errors(consumer);
  await scene.add('job-1');
  await until(async () => (await consumer.stats({ timeout: 0 })).started === 1);
  await connection.stop({ maxWait: 1 });
  gate.open();
  await until(() => errors.length === 1);
  assert.deepStrictEqual(
    settles.map(({ outcome, error }) => [outcome, error.code]),
    [['abandoned', 'CONNECTION_CLOSED']],
  );
});

ours(
  'headers that subscribers of send add to a message are present at receive, also after the entry is claimed',
  async (_, scene) => {
    const receives = hear(scene, 'receive');
    const add = (message) => Object.assign(message.headers, { a: 'é\u{1f600}', 'x-b': 'b', left: 7 });
    channel('hfxbus:send').subscribe(add);
    scene.closing(() => channel('hfxbus:send').unsubscribe(add));
    const producer = scene.producer();
    let runs = 0;
    const consumer = scene.consumer({ claimInterval: 5, claimDeadline: 1, retryLimit: 2, concurrency: 2 });
    const processor = async () => {
      if (++runs === 1) throw new Error('again');
    };
    consumer.process({ stream: scene.stream, processor });
    await consumer.play();
    await producer.send({
      stream: scene.stream,
      job: producer.job(),
      durable: true,
      waitFor: [scene.group],
      capped: 9,
    });
    await until(() => receives.length === 2);
    const headers = { a: 'é\u{1f600}', 'x-b': 'b' };
    assert.deepStrictEqual([receives[0].headers, receives[1].headers], [headers, headers]);
    channel('hfxbus:send').unsubscribe(add);
    await producer.send({ stream: scene.stream, job: producer.job('plain') });
    await until(() => receives.length === 3);
    assert.deepStrictEqual(receives[2].headers, {});
  },
);

ours('headers arrive with jobs from the backlog and with jobs that start at once', async (_, scene) => {
  const receives = hear(scene, 'receive');
  const consumer = scene.consumer({ concurrency: 1 });
  const other = scene.name('other');
  for (const stream of [scene.stream, other]) consumer.process({ stream, fromId: '0', processor: async () => {} });
  for (const stream of [scene.stream, other]) {
    const fields = ['prd', '', 'job', stream, 'hdr', JSON.stringify({ stream })];
    await scene.redis.call('XADD', keys.stream(stream), '*', ...fields);
  }
  // One read brings an entry of each stream, and there is place for one.
  await consumer.play();
  await until(() => receives.length === 2);
  for (const { job, headers } of receives) assert.deepStrictEqual(headers, { stream: job.id });
});

keep('jobs with headers of any kind run like other jobs', async (_, scene) => {
  const ran = [];
  await scene.play(async (job) => ran.push(job.id), { concurrency: 9 });
  const odd = ['{"a":"b"}', '[1]', 'null', '{', ''];
  for (const [at, headers] of odd.entries()) {
    const fields = ['prd', 'p', 'job', `job-${at}`, 'hdr', headers];
    await scene.redis.call('XADD', keys.stream(scene.stream), '*', ...fields);
  }
  await until(() => ran.length === odd.length);
  assert.deepStrictEqual(ran.sort(), ['job-0', 'job-1', 'job-2', 'job-3', 'job-4']);
});

ours('headers that cannot be parsed are ignored', async (_, scene) => {
  const receives = hear(scene, 'receive');
  await scene.play(async () => {});
  for (const headers of ['{', 'null', '7', '{"a":1,"b":"c"}', Buffer.from([0xff])]) {
    await scene.redis.call('XADD', keys.stream(scene.stream), '*', 'prd', 'p', 'job', 'j', 'hdr', headers);
  }
  await until(() => receives.length === 5);
  assert.deepStrictEqual(
    receives.map(({ headers }) => headers),
    [{}, {}, {}, { b: 'c' }, {}],
  );
});

ours('a store that is bound to receive is available in the processor until its end', async (_, scene) => {
  const receive = channel('hfxbus:receive');
  const storage = new AsyncLocalStorage();
  if (typeof receive.bindStore !== 'function') {
    // Node before 18.19.
    assert.strictEqual(receive.runStores, undefined);
    return;
  }
  receive.bindStore(storage, ({ job }) => `of ${job.id}`);
  scene.closing(() => receive.unbindStore(storage));
  const found = [];
  await scene.play(
    async (job) => {
      found.push(storage.getStore());
      await job.get('key').pull();
      found.push(storage.getStore());
    },
    { concurrency: 2 },
  );
  await scene.add('one');
  await until(() => found.length === 2);
  assert.deepStrictEqual(found, ['of one', 'of one']);
});

ours('claimed, exhausted and trimmed entries are published', async (_, scene) => {
  const [claims, exhausts, trims] = ['claim', 'exhaust', 'trim'].map((topic) => hear(scene, topic));
  const { redis, stream, group } = scene;
  await redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(group), '0', 'MKSTREAM');
  for (const id of ['lost', 'gone']) await scene.add(id);
  const gone = (await redis.call('XRANGE', keys.stream(stream), '-', '+'))[1][0];
  await redis.call('XREADGROUP', 'GROUP', keys.group(group), 'away', 'STREAMS', keys.stream(stream), '>');
  await redis.call('XDEL', keys.stream(stream), gone);
  const options = { claimInterval: 5, claimDeadline: 1, retryLimit: 2 };
  const consumer = await scene.play(async () => Promise.reject(new Error('mine')), options);
  await until(() => claims.length > 0 && exhausts.length > 0 && trims.length > 0);
  const [{ entry, ...claim }] = claims;
  assert.deepStrictEqual(claim, { consumer, group });
  assert.deepStrictEqual([entry.consumerId, entry.data.job, entry.deliveryCount], ['away', 'lost', 2]);
  assert.deepStrictEqual([exhausts[0].entry.id, exhausts[0].entry.moved], [entry.id, false]);
  assert.deepStrictEqual(trims, [{ consumer, group, stream, count: 1, pending: true }]);
});

ours('changes of connections are published, those of named clients with their name', async (_, scene) => {
  const changes = hear(scene, 'connection');
  const redis = await scene.server();
  const manager = scene.connect({ ...redis.options, retryStrategy: () => 5 });
  const of = (client) => changes.filter((change) => change.manager === manager && change.client === client);
  const producer = scene.producer(manager);
  await producer.send({ stream: scene.stream, job: producer.job() });
  const node = `127.0.0.1:${redis.port}`;
  const [connect, ready] = of(undefined);
  assert.deepStrictEqual(connect, { manager, state: 'connect', node, index: 0 });
  assert.strictEqual(ready.state, 'ready');
  await manager.getClient('mine').ping();
  assert.deepStrictEqual(
    of('mine').map(({ state, index }) => [state, index]),
    ['connecting', 'connect', 'ready'].map((state) => [state, 0]),
  );
  await redis.restart();
  await until(() => of(undefined).length >= 5);
  const [, , lost] = of(undefined);
  assert.deepStrictEqual([lost.state, lost.error instanceof Error], ['reconnecting', true]);
  await manager.stop();
  assert.deepStrictEqual(of(undefined).at(-1), { manager, state: 'end' });
});

ours('no message shows a payload or a password', async (_, scene) => {
  const topics = TOPICS.map((topic) => hear(scene, topic));
  const redis = await scene.server('--requirepass', 'secret-word');
  const connection = scene.connect({ ...redis.options, password: 'secret-word' });
  const consumer = scene.consumer({}, connection);
  const processor = async (job) => {
    const { inbound } = await job.get('inbound', false).pull();
    job.set('outbound', inbound);
  };
  consumer.process({ stream: scene.stream, processor, prefetch: ['inbound'] });
  await consumer.play();
  const producer = scene.producer(connection);
  const job = producer.job().set('later', 'secret-load');
  await producer.job(job.id).set('inbound', 'secret-load').push();
  await producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
  await job.finished(5000);
  await connection.stop();
  const messages = topics.flat();
  assert.ok(messages.length >= 7, `${messages.length}`);
  for (const message of messages) {
    assert.doesNotMatch(inspect(message, { depth: 20, showHidden: true }), /secret/);
    assert.doesNotMatch(inspect(message, { depth: 20 }), /secret/);
  }
});

ours('a subscriber that throws is an uncaught exception, and the bus goes on', async (_, scene) => {
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      process.on('uncaughtException', ({ message }) => print('uncaught', message));
      for (const topic of ['send', 'sent', 'receive', 'settle']) {
        require('node:diagnostics_channel').subscribe(`hfxbus:${topic}`, () => {
          throw new Error(topic);
        });
      }
      const connection = hfxbus.ConnectionManager.standalone(options);
      const consumer = new hfxbus.Consumer(connection, { group: 'g' });
      await consumer.process({ stream: data, processor: async () => {} }).play();
      const producer = new hfxbus.Producer(connection);
      const job = await producer.send({ stream: data, job: producer.job(), waitFor: ['g'] });
      await job.finished();
      await connection.stop();
      print('over');
    },
    { data: scene.stream },
  );
  await child.says('over');
  const uncaught = child.printed.filter(([word]) => word === 'uncaught').map(([, message]) => message);
  assert.deepStrictEqual(uncaught.sort(), ['receive', 'send', 'sent', 'settle']);
});
