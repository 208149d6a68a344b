'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { carriedBy } = require('../support/entry-fields.js');
const { keys } = require('../support/keys.js');
const { Gate } = require('../support/latch.js');
const { stays, until } = require('../support/wait-until.js');

/* Payloads of jobs that are forwarded, sent again, frozen, refused, rejected, released or stopped. */

/** Number of commands that send a job with two values. */
const COMMANDS = 5;

/** Values of payload keys of a job in Redis. */
const valuesOf = (scene, job, ...names) => scene.redis.call('MGET', ...names.map((key) => keys.payload(job.id, key)));

const read = async (job, key = 'inbound') => (await job.get(key, false).pull())[key];

/** Starts a job with the input 'Hello', whose processor has removed it, has set an output, and waits for `ending`. */
async function running(scene, { send, end = async () => {}, connection, ...options } = {}) {
  const [begun, ending] = [new Gate(), new Gate()];
  const runs = { count: 0 };
  const processor = async (job) => {
    runs.count++;
    const { inbound } = await job.get('inbound', false).del('inbound').pull();
    job.set('outbound', `${inbound} world!`);
    runs.job = job;
    begun.open();
    await ending.opened;
    await end(job);
  };
  const consumer = await scene.play(processor, { connection, ...options });
  const producer = scene.producer();
  const job = producer.job().set('inbound', 'Hello');
  const wait = { waitFor: [scene.group], returns: ['outbound'] };
  await producer.send({ stream: scene.stream, job, ...wait, ...send });
  await begun.opened;
  return { consumer, errors: scene.errors(consumer), job, ending, runs };
}

/** Fails if the payload of a running job has changed. */
async function assertUnchanged(scene, job, { pending = 1 } = {}) {
  const values = await valuesOf(scene, job, 'inbound', 'outbound');
  assert.deepStrictEqual([values, await scene.pending()], [['"Hello"', null], pending]);
}

/** Fails if the payload of a job has not changed as its processor said. */
async function assertChanged(scene, job) {
  const values = await valuesOf(scene, job, 'inbound', 'outbound');
  assert.deepStrictEqual([values, await scene.pending()], [[null, '"Hello world!"'], 0]);
}

for (const payload of ['keys', 'entry']) {
  ours(
    `values that are set leave with the job that a processor forwards, with payload: '${payload}'`,
    async (_, scene) => {
      const next = scene.name('stream');
      const producer = scene.producer();
      const seen = [];
      await scene.play(async (job) => {
        const { inbound } = await job.get('inbound', false).del('inbound').pull();
        await producer.send({ stream: next, job: job.set('inbound', `${inbound}!`).set('more', 1), payload });
      });
      await scene.play(async (job) => seen.push(await job.get('inbound', false).get('more', false).pull()), {
        stream: next,
        group: 'next',
      });
      const job = producer.job().set('inbound', 'Hello');
      await producer.send({ stream: scene.stream, job, waitFor: [scene.group], payload });
      await job.finished();
      await until(() => seen.length === 1);
      assert.deepStrictEqual(seen, [{ inbound: 'Hello!', more: 1 }]);
      assert.deepStrictEqual([...(await carriedBy(scene, { stream: next })).keys()].sort(), ['inbound', 'more']);
      const expected = payload === 'entry' ? [null, null] : ['"Hello!"', '1'];
      assert.deepStrictEqual(await valuesOf(scene, job, 'inbound', 'more'), expected);
    },
  );

  ours(`a job that is forwarded unchanged keeps its values, with payload: '${payload}'`, async (_, scene) => {
    const next = scene.name('stream');
    const producer = scene.producer();
    const seen = [];
    await scene.play(async (job) => {
      seen.push(await read(job));
      await producer.send({ stream: next, job });
    });
    await scene.play(async (job) => seen.push(await read(job)), { stream: next, group: 'next' });
    await producer.send({ stream: scene.stream, job: producer.job().set('inbound', 'Hello'), payload });
    await until(() => seen.length === 2);
    assert.deepStrictEqual(seen, ['Hello', 'Hello']);
  });

  ours(
    `a job that is sent twice carries what was set before each send, with payload: '${payload}'`,
    async (_, scene) => {
      const seen = [];
      await scene.play(async (job) => {
        const inbound = await read(job);
        seen.push(inbound);
        job.set('outbound', `${inbound} world!`);
      });
      const producer = scene.producer();
      const job = producer.job();
      const send = { stream: scene.stream, job, waitFor: [scene.group], returns: ['outbound'], payload };
      for (const [at, value] of ['first', 'second', 'third'].entries()) {
        job.set('inbound', value);
        await producer.send(send);
        await job.finished();
        // The second answer is not read before the third one.
        if (at !== 1) assert.strictEqual(await read(job, 'outbound'), `${value} world!`);
      }
      assert.deepStrictEqual(seen, ['first', 'second', 'third']);
    },
  );
}

ours('the answer of an earlier send is not that of the next one', async (_, scene) => {
  let runs = 0;
  await scene.play(async (job) => {
    if (++runs === 1) job.set('outbound', 'first');
  });
  const producer = scene.producer();
  const job = producer.job();
  const send = { stream: scene.stream, job, waitFor: [scene.group], returns: ['outbound'], payload: 'entry' };
  await producer.send(send);
  await job.finished();
  await producer.send(send);
  await job.finished();
  assert.strictEqual(await read(job, 'outbound'), null);
});

ours('a frozen job leaves with its values, and one that is waited for keeps them', async (_, scene) => {
  const producer = scene.producer();
  const job = Object.freeze(producer.job().set('inbound', 'Hello'));
  await assert.rejects(producer.send({ stream: scene.stream, job, waitFor: [scene.group] }), TypeError);
  assert.deepStrictEqual(await valuesOf(scene, job, 'inbound'), [null]);
  await producer.send({ stream: scene.stream, job });
  assert.deepStrictEqual(await valuesOf(scene, job, 'inbound'), ['"Hello"']);
  assert.deepStrictEqual(await carriedBy(scene), new Map([['inbound', Buffer.from('"Hello"')]]));
});

ours('a processor that freezes its job changes its payload all the same', async (_, scene) => {
  const { job, ending, errors } = await running(scene, { end: async (received) => Object.freeze(received) });
  ending.open();
  await job.finished();
  await until(async () => (await scene.pending()) === 0);
  await assertChanged(scene, job);
  assert.deepStrictEqual(errors, []);
});

ours('an object that is no Job is sent with returns, and waited for', async (_, scene) => {
  await scene.play(async (job) => job.set('outbound', 1));
  const producer = scene.producer();
  const wait = { waitFor: [scene.group], returns: ['outbound'] };
  for (const payload of ['keys', 'entry']) {
    const job = { id: scene.name('job') };
    await producer.send({ stream: scene.stream, job, ...wait, payload });
    assert.ok((await job.finished())[scene.group] instanceof Date);
  }
});

for (const most of [1, 4, 5, 6, 12]) {
  ours(
    `a send that a queue of ${most} commands refuses leaves nothing behind, and the job keeps its values`,
    async (_, scene) => {
      const redis = await scene.server();
      const connection = scene.connect({ ...redis.options, maxQueuedCommands: most, retryStrategy: () => 20 });
      const producer = scene.producer(connection);
      await producer.job().set('first', 1).push();
      redis.crash();
      await until(() => connection.getClient('mine').status !== 'ready', { what: 'the end of the connection' });
      const jobs = Array.from({ length: 4 }, () => producer.job().set('inbound', 'Hello').set('other', 1));
      const sending = jobs.map((job) =>
        producer.send({ stream: scene.stream, job }).then(
          () => null,
          ({ code }) => code,
        ),
      );
      await redis.start();
      const codes = await Promise.all(sending);
      const refusal = most < COMMANDS ? 'REQUEST_TOO_LARGE' : 'QUEUE_FULL';
      assert.ok(codes.includes(refusal), codes.join());
      for (const code of codes) assert.ok([null, refusal].includes(code), code);
      const sent = () => redis.call('XLEN', keys.stream(scene.stream));
      assert.strictEqual(await sent(), codes.filter((code) => code === null).length);
      const names = (job) => ['inbound', 'other'].map((key) => keys.payload(job.id, key));
      for (const [at, job] of jobs.entries()) {
        assert.strictEqual(await redis.call('EXISTS', ...names(job)), codes[at] === null ? 2 : 0);
      }
      const refused = jobs.filter((_, at) => codes[at] !== null);
      if (most < COMMANDS) {
        // The connection must not be within a transaction.
        await producer.send({ stream: scene.stream, job: producer.job() });
        for (const job of refused)
          await assert.rejects(producer.send({ stream: scene.stream, job }), { code: refusal });
        return;
      }
      for (const job of refused) await producer.send({ stream: scene.stream, job });
      assert.strictEqual(await sent(), jobs.length);
      for (const job of refused) assert.strictEqual(await redis.call('EXISTS', ...names(job)), 2);
    },
  );
}

ours('pause() resolves after the payload changes of running jobs', async (_, scene) => {
  const { consumer, job, ending, errors } = await running(scene);
  const pausing = consumer.pause();
  ending.open();
  await pausing;
  await assertChanged(scene, job);
  assert.deepStrictEqual(errors, []);
});

ours('a job that passes its deadline changes nothing', async (_, scene) => {
  const { job, ending, errors, runs } = await running(scene, { deadline: 50 });
  const { [scene.group]: outcome } = await job.finished();
  assert.strictEqual(outcome.code, 'DEADLINE_TIMEOUT');
  await assertUnchanged(scene, job);
  ending.open();
  await stays(async () => (await scene.pending()) === 1, 100);
  await assertUnchanged(scene, job);
  assert.deepStrictEqual([runs.count, errors], [1, []]);
});

for (const [how, end] of Object.entries({
  'that throws': () => Promise.reject(new Error('no')),
  'that calls reject()': (job) => job.reject(new Error('no')),
  'that calls reject() after release()': (job) => job.release().reject(new Error('no')),
})) {
  ours(`a job ${how} changes nothing`, async (_, scene) => {
    const { job, ending, errors } = await running(scene, { end });
    ending.open();
    const { [scene.group]: outcome } = await job.finished();
    assert.strictEqual(outcome.message, 'no');
    await assertUnchanged(scene, job);
    assert.strictEqual(await read(job, 'outbound'), null);
    assert.deepStrictEqual(errors, []);
  });
}

ours('a released job changes its payload when it is resolved', async (_, scene) => {
  const resolving = new Gate();
  let resolved = null;
  const end = async (received) => {
    const { resolve } = received;
    received.release();
    resolving.opened.then(() => {
      resolved = resolve();
    });
    await new Promise(() => {});
  };
  const { consumer, job, ending, errors } = await running(scene, { end, concurrency: 1 });
  ending.open();
  await assertUnchanged(scene, job);
  // A released job does not delay a pause.
  await consumer.pause();
  resolving.open();
  await job.finished();
  await resolved;
  await assertChanged(scene, job);
  assert.deepStrictEqual([await read(job, 'outbound'), errors], ['Hello world!', []]);
});

ours('the promise of resolve() settles after the payload changes', async (_, scene) => {
  const states = [];
  const end = async (received) => {
    await received.resolve();
    states.push(await valuesOf(scene, received, 'inbound', 'outbound'), await scene.pending());
  };
  const { ending } = await running(scene, { end });
  ending.open();
  await until(() => states.length === 2);
  assert.deepStrictEqual(states, [[null, '"Hello world!"'], 0]);
});

for (const force of [false, true]) {
  ours(`a stop during the settlement leaves all changes or none (force: ${force})`, async (_, scene) => {
    for (let round = 0; round < 10; round++) {
      scene.stream = scene.name('stream');
      const connection = scene.connect();
      const { job, ending, runs } = await running(scene, { connection, end: async (one) => one.resolve() });
      ending.open();
      if (round % 2 === 1) await runs.job.resolve?.().catch(() => {});
      await connection.stop({ force });
      const values = await valuesOf(scene, job, 'inbound', 'outbound');
      const pending = await scene.pending();
      const all = [[null, '"Hello world!"'], 0];
      assert.deepStrictEqual([values, pending], pending === 0 || !force ? all : [['"Hello"', null], 1]);
    }
  });
}

ours('on several nodes an answer comes back as it was when the job ended', async (_, scene) => {
  const connection = scene.partition(await scene.nodes());
  const value = Buffer.from('before');
  const processor = async (job) => {
    job.set('outbound', value);
    const { resolve } = job;
    const resolving = resolve();
    value.fill('x');
    await resolving;
  };
  await scene.play(processor, { connection, route: scene.stream });
  const producer = scene.producer(connection);
  const job = producer.job().set('inbound', 'Hello');
  const wait = { waitFor: [scene.group], returns: ['outbound'] };
  await producer.send({ stream: scene.stream, job, ...wait });
  await job.finished();
  const [answer, stored] = [await job.get('outbound').pull(), await job.get('outbound').pull()];
  assert.deepStrictEqual([`${answer.outbound}`, `${stored.outbound}`], ['before', 'before']);
});
