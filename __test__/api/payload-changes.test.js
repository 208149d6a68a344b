'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/* Payload changes of a processor, which take effect with the settlement. */

const EAGER = { claimInterval: 20, claimDeadline: 50, retryLimit: 1000 };

/** Sources of an input: the entry with a key beside it, the entry alone, and a key whose removal is deferred. */
const SOURCES = {
  'a carried value': {},
  "payload: 'entry'": { send: { payload: 'entry' } },
  'delOnSettle without a carried value': { send: { carry: false }, consumer: { delOnSettle: true } },
};

/**
 * Runs a processor on a job with the input 'Hello', until it succeeds.
 * @returns the job after its wait, and the values of its keys in Redis
 */
async function run(scene, processor, { send, consumer, returns, names = ['inbound', 'outbound'] } = {}) {
  await scene.play(processor, { ...EAGER, ...consumer });
  const producer = scene.producer();
  const job = producer.job().set('inbound', 'Hello');
  await producer.send({ stream: scene.stream, job, waitFor: [scene.group], ...(returns && { returns }), ...send });
  await job.finished();
  await until(async () => (await scene.pending()) === 0);
  const values = await scene.redis.call('MGET', ...names.map((key) => keys.payload(job.id, key)));
  return { job, values };
}

const read = async (job, key = 'inbound') => (await job.get(key, false).pull())[key];

for (const [source, options] of Object.entries(SOURCES)) {
  const isOnlyCopy = options.send?.payload === 'entry';

  ours(`a removed key is read as null in the same run, with ${source}`, async (_, scene) => {
    const seen = [];
    const processor = async (job) => {
      const { inbound } = await job.get('inbound', false).del('inbound').pull();
      seen.push(inbound, await read(job), await read(job));
      await job.del('inbound').pull();
      seen.push(await read(job));
    };
    const { values } = await run(scene, processor, options);
    assert.deepStrictEqual(
      [seen, values],
      [
        ['Hello', null, null, null],
        [null, null],
      ],
    );
  });

  ours(`a key that is set after its removal has the new value afterwards, with ${source}`, async (_, scene) => {
    const seen = [];
    const processor = async (job) => {
      await job.del('inbound').pull();
      job.set('inbound', 'new');
      seen.push(await read(job));
    };
    const { values } = await run(scene, processor, options);
    assert.deepStrictEqual([seen, values], [[null], ['"new"', null]]);
  });

  ours(`a key that is pushed after its removal has the new value at once, with ${source}`, async (_, scene) => {
    const seen = [];
    const processor = async (job) => {
      await job.del('inbound').pull();
      await job.set('inbound', 'new').push();
      seen.push(await read(job), await read(job));
    };
    const { values } = await run(scene, processor, options);
    assert.deepStrictEqual(
      [seen, values],
      [
        ['new', 'new'],
        ['"new"', null],
      ],
    );
  });

  ours(`a key that is removed after a push is gone, with ${source}`, async (_, scene) => {
    const seen = [];
    const processor = async (job) => {
      await job.set('inbound', 'new').push();
      await job.del('inbound').pull();
      seen.push(await read(job));
    };
    const { values } = await run(scene, processor, options);
    assert.deepStrictEqual([seen, values], [[null], [null, null]]);
  });

  ours(`a failed run changes nothing, and the next one begins anew, with ${source}`, async (_, scene) => {
    const seen = [];
    const key = keys.payload('*', 'inbound');
    const processor = async (job) => {
      const before = await scene.redis.call('KEYS', key.replace('*', job.id));
      const { inbound } = await job.get('inbound', false).del('inbound').pull();
      seen.push([inbound, before.length]);
      job.set('outbound', `attempt ${seen.length}`);
      if (seen.length < 3) throw new Error('no');
    };
    await scene.play(processor, { ...EAGER, ...options.consumer });
    const producer = scene.producer();
    const job = producer.job().set('inbound', 'Hello');
    await producer.send({ stream: scene.stream, job, ...options.send });
    await until(() => seen.length === 3);
    await until(async () => (await scene.pending()) === 0);
    assert.deepStrictEqual(seen, Array(3).fill(['Hello', isOnlyCopy ? 0 : 1]));
    const values = await scene.redis.call('MGET', keys.payload(job.id, 'inbound'), keys.payload(job.id, 'outbound'));
    assert.deepStrictEqual(values, [null, '"attempt 3"']);
  });

  ours(`a pushed answer comes back in the completion, with ${source}`, async (_, scene) => {
    const processor = async (job) => {
      await job.set('outbound', 'first').set('gone', 1).push();
      await job.set('outbound', 'pushed').push();
      await job.del('gone').pull();
    };
    const { job, values } = await run(scene, processor, { ...options, returns: ['outbound', 'gone', 'inbound'] });
    assert.strictEqual(values[1], '"pushed"');
    const monitor = await scene.monitor();
    assert.strictEqual(await read(job, 'outbound'), 'pushed');
    assert.deepStrictEqual(await monitor.about(job.id), []);
    assert.strictEqual(await read(job, 'gone'), null);
  });

  ours(`an answer that is set after a push is the one that comes back, with ${source}`, async (_, scene) => {
    const processor = async (job) => {
      await job.set('outbound', 'pushed').push();
      job.set('outbound', 'set');
    };
    const { job, values } = await run(scene, processor, { ...options, returns: ['outbound'] });
    assert.strictEqual(await read(job, 'outbound'), 'set');
    // The key that was pushed must not keep an older value.
    assert.strictEqual(values[1], '"set"');
  });

  ours(`a value with a timeout expires, with ${source}`, async (_, scene) => {
    const processor = async (job) => job.set('outbound', 'brief', 60000);
    const { job } = await run(scene, processor, options);
    const left = await scene.redis.call('PTTL', keys.payload(job.id, 'outbound'));
    assert.ok(left > 0 && left <= 60000, `${left}`);
  });
}

ours('a push that Redis refused leaves the carried value to be read, and is no answer', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const seen = [];
  const processor = async (job) => {
    await redis.call('CONFIG', 'SET', 'maxmemory', '1');
    const code = await job
      .set('inbound', 'new')
      .set('outbound', 'new')
      .push()
      .catch((error) => error.code);
    await redis.call('CONFIG', 'SET', 'maxmemory', '0');
    seen.push(code, await read(job));
  };
  await scene.play(processor, { connection });
  const producer = scene.producer(connection);
  const job = producer.job().set('inbound', 'Hello');
  await producer.send({ stream: scene.stream, job, waitFor: [scene.group], payload: 'entry', returns: ['outbound'] });
  await job.finished();
  assert.deepStrictEqual(seen, ['OOM', 'Hello']);
  assert.strictEqual(await read(job, 'outbound'), null);
});

ours('a key that only a pushed value has is removed at once', async (_, scene) => {
  const seen = [];
  const processor = async (job) => {
    await job.set('scratch', 1).push();
    await job.del('scratch').pull();
    seen.push(await scene.redis.call('EXISTS', keys.payload(job.id, 'scratch')));
  };
  await run(scene, processor);
  assert.deepStrictEqual(seen, [0]);
});
