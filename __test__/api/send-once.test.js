'use strict';

/* Sends with an idempotency id. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');

const onceKey = (stream, id) => `hfxbus:once:{hfxbus:str:${stream}}:${stream}:${id}`;

/** Refusals of a command within a script, which versions of Redis word in three ways. */
const DENIED = /NOPERM|no permissions|can't run this command/;

/** The ids of the jobs in a stream. */
async function jobsIn(scene, redis = scene.redis) {
  const entries = await redis.call('XRANGE', keys.stream(scene.stream), '-', '+');
  return entries.map(([, fields]) => fields[fields.indexOf('job') + 1]);
}

ours('a job with an id that was sent before is a duplicate, and becomes the first job', async (_, scene) => {
  const { stream } = scene;
  const [one, other] = [scene.producer(), scene.producer(scene.connect())];
  const first = await one.send({ stream, job: one.job().set('n', 1), id: 'order 42' });
  const second = await other.send({ stream, job: other.job().set('n', 2), id: 'order 42' });
  assert.deepStrictEqual([first.duplicate, second.duplicate, second.id], [false, true, first.id]);
  const [[entry]] = await scene.redis.call('XRANGE', keys.stream(stream), '-', '+');
  assert.deepStrictEqual([first.entryId, second.entryId], [entry, entry]);
  assert.deepStrictEqual(await jobsIn(scene), [first.id]);
  // The values of the duplicate are written nowhere.
  assert.deepStrictEqual(await second.get('n', false).pull(), { n: 1 });
  assert.strictEqual((await scene.redis.call('KEYS', 'hfxbus:job:*:n')).length, 1);
  const third = await other.send({ stream, job: other.job(), id: 'order 43' });
  assert.strictEqual(third.duplicate, false);
});

ours('a job without an id has no entry id, and nothing is remembered', async (_, scene) => {
  const producer = scene.producer();
  for (const id of [undefined, null]) {
    const job = await producer.send({ stream: scene.stream, job: producer.job(), id });
    assert.deepStrictEqual([job.duplicate, job.entryId], [undefined, undefined]);
  }
  assert.deepStrictEqual(await scene.redis.call('KEYS', onceKey(scene.stream, '*')), []);
});

ours('an id is kept for its ttl, and can be sent again after that', async (_, scene) => {
  const { stream } = scene;
  const producer = scene.producer();
  const send = (ttl) => producer.send({ stream, job: producer.job(), id: { value: 'a', ttl } });
  await send(300);
  assert.strictEqual((await send(300)).duplicate, true);
  await until(async () => (await scene.redis.call('EXISTS', onceKey(stream, 'a'))) === 0);
  assert.strictEqual((await send()).duplicate, false);
  const left = await scene.redis.call('PTTL', onceKey(stream, 'a'));
  assert.ok(left > 3_590_000 && left <= 3_600_000, `${left}`);
});

ours('many processes that send the same ids at once add each of them once', async (_, scene) => {
  const ids = Array.from({ length: 200 }, (_, at) => `id-${at}`);
  const producers = Array.from({ length: 4 }, () => scene.producer(scene.connect()));
  const sent = await Promise.all(
    producers.map((producer) =>
      producer.sendAll(ids.map((id) => ({ stream: scene.stream, job: producer.job(), id, capped: 10_000 }))),
    ),
  );
  assert.strictEqual(sent.flat().filter(({ duplicate }) => !duplicate).length, ids.length);
  assert.strictEqual(await scene.length(), ids.length);
  for (const at of ids.keys()) assert.strictEqual(new Set(sent.map((jobs) => jobs[at].id)).size, 1);
});

for (const [name, durable] of Object.entries({ 'a job': false, 'a durable job': true })) {
  ours(`the duplicate of ${name} waits for the completion of the first, before and after it`, async (_, scene) => {
    const { stream, group } = scene;
    let end;
    const ended = new Promise((resolve) => {
      end = resolve;
    });
    const processor = async (job) => {
      await ended;
      job.set('answer', 42);
    };
    await scene.play(processor);
    const [one, other] = [scene.producer(), scene.producer(scene.connect())];
    const send = (producer) => producer.send({ stream, job: producer.job(), id: 'a', waitFor: [group], durable });
    const [first, second] = [await send(one), await send(other)];
    assert.deepStrictEqual([first.duplicate, second.duplicate], [false, true]);
    end();
    for (const job of [first, second, await send(one), await send(other)]) {
      assert.ok((await job.finished(10_000))[group] instanceof Date);
      assert.deepStrictEqual(await job.get('answer', false).pull(), { answer: 42 });
    }
  });
}

ours('a duplicate of a durable job learns its error', async (_, scene) => {
  const { stream, group } = scene;
  await scene.play(async () => {
    throw new RangeError('no');
  });
  const [one, other] = [scene.producer(), scene.producer(scene.connect())];
  const send = (producer) => producer.send({ stream, job: producer.job(), id: 'a', waitFor: [group], durable: true });
  await (await send(one)).finished(10_000);
  const { [group]: error } = await (await send(other)).finished(10_000);
  assert.strictEqual(error.message, 'no');
});

ours('a send with an id that was executed and cut before its reply is no duplicate of itself', async (_, scene) => {
  const proxy = await TcpProxy.to(scene.redis.port);
  scene.closing(() => proxy.close());
  const producer = scene.producer(scene.connect({ ...proxy.options, retryStrategy: () => 20 }));
  await producer.send({ stream: scene.stream, job: producer.job('first') });
  proxy.muteAt('EVAL');
  const sending = producer.send({ stream: scene.stream, job: producer.job('second').set('a', 1), id: 'a' });
  await until(async () => (await jobsIn(scene)).length === 2);
  proxy.muteAt(null);
  proxy.cut();
  assert.strictEqual((await sending).duplicate, false);
  assert.deepStrictEqual(await jobsIn(scene), ['first', 'second']);
});

ours('a consumer of 2.2.0 runs a job that was sent with an id', async (_, scene) => {
  const { stream, group } = scene;
  const ran = [];
  await scene.playOriginal(async (job) => ran.push((await job.get('n', false).pull()).n));
  const producer = scene.producer();
  for (const n of [1, 2]) {
    const job = producer.job().set('n', n);
    await producer.send({ stream, job, id: 'a', waitFor: [group] });
    assert.ok((await job.finished(10_000))[group] instanceof Date);
  }
  assert.deepStrictEqual(ran, [1]);
});

ours('on a Cluster and on several nodes an id is in the slot and on the node of its stream', async (_, scene) => {
  const buses = [scene.connectCluster(await scene.cluster()), scene.partition(await scene.nodes())];
  for (const connection of buses) {
    for (const stream of [scene.name('stream'), `{tag}${scene.name('stream')}`]) {
      const producer = scene.producer(connection);
      const send = (options) => {
        const job = producer.job().set('n', 1);
        return producer.send({ stream, route: stream, job, id: 'a', payload: 'entry', ...options });
      };
      assert.deepStrictEqual([(await send()).duplicate, (await send()).duplicate], [false, true]);
      await assert.rejects(send({ payload: 'keys' }), {
        name: 'TypeError',
        message: "id and delay need payload: 'entry' for values on a Cluster and on several nodes",
      });
    }
  }
});

const REFUSED = {
  'id must be a string or an object': [1, true, Symbol('a'), () => {}],
  'id.value must be a string': [{}, { value: 1 }, []],
  'id must have from 1 to 512 characters': ['', 'a'.repeat(513)],
  'id.value must have from 1 to 512 characters': [{ value: '' }],
  'id has half of a surrogate pair': ['\ud800'],
  'id.ttl must be a whole number from 1 to 31536000000': [0, -1, Infinity, 1e15].map((ttl) => ({ value: 'a', ttl })),
  'id.ttl must be a number': [{ value: 'a', ttl: {} }],
};

ours('a bad id is refused before anything is sent', async (_, scene) => {
  const producer = scene.producer();
  const { stream } = scene;
  for (const [message, ids] of Object.entries(REFUSED)) {
    for (const id of ids) {
      const job = producer.job().set('a', 1);
      await assert.rejects(producer.send({ stream, job, id }), { message });
      await assert.rejects(producer.sendAll([{ stream, job, id }]), { message: `sends[0]: ${message}` });
    }
  }
  const job = producer.job();
  await assert.rejects(
    producer.sendAll(
      [
        { stream, job },
        { stream, job, id: 'a' },
      ],
      { atomic: true },
    ),
    {
      message: 'sends[1]: id and delay cannot be combined with atomic',
    },
  );
  await assert.rejects(producer.send({ stream, job: Object.freeze(producer.job()), id: 'a' }), {
    message: 'job must be extensible to be sent with an id or a delay',
  });
  assert.strictEqual(await scene.redis.call('EXISTS', keys.stream(stream)), 0);
});

ours('a send with an id that Redis refuses has the reply as its error, and changes nothing', async (_, scene) => {
  const { stream, redis } = scene;
  await redis.call('SET', keys.stream(stream), 'no stream');
  const producer = scene.producer();
  const send = () => producer.send({ stream, job: producer.job(), id: 'a' });
  await assert.rejects(send(), { name: 'ReplyError', code: 'WRONGTYPE', command: 'EVAL' });
  await redis.call('DEL', keys.stream(stream));
  assert.strictEqual((await send()).duplicate, false);
});

for (const right of ['get', 'hget', 'del', 'psetex', 'xadd', 'set']) {
  ours(
    `without the right to ${right} a send with an id is refused, adds nothing, and keeps no id`,
    async (_, scene) => {
      const { stream, redis } = scene;
      const username = scene.name('user');
      await redis.call('ACL', 'SETUSER', username, 'on', '>secret', '~*', '&*', '+@all', `-${right}`);
      const producer = scene.producer(scene.connect({ username, password: 'secret' }));
      const send = (given) => given.send({ stream, job: given.job().set('a', 1), id: 'a' });
      await assert.rejects(send(producer), { name: 'ReplyError', message: DENIED });
      assert.strictEqual(await redis.call('EXISTS', keys.stream(stream)), 0);
      // Without the right to DEL it expires after a millisecond.
      await until(async () => (await redis.call('EXISTS', onceKey(stream, 'a'))) === 0);
      assert.strictEqual((await send(scene.producer())).duplicate, false);
    },
  );
}
