'use strict';

/* Completions with returned values, heard by producers of both packages. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { everySubject } = require('../support/implementations.js');
const { until } = require('../support/wait-until.js');

const JOBS = 50;
const original = require(everySubject.find(({ env }) => env === 'original').file);

/** A producer of 2.2.0, whose connection ends with the case. */
function oldProducer(scene) {
  const connection = original.ConnectionManager.standalone(scene.redis.options);
  scene.closing(() => connection.stop());
  return new original.Producer(connection);
}

for (const durable of [false, true]) {
  ours(`listeners of both packages hear completions with answers (durable: ${durable})`, async (_, scene) => {
    const listeners = [oldProducer(scene), scene.producer()];
    const errors = [];
    const heard = listeners.map((listener) => {
      const events = [];
      listener.on('error', (error) => errors.push(error));
      listener.on(scene.stream, (...event) => events.push(event));
      return events;
    });
    await Promise.all(listeners.map((listener) => listener.listen(scene.stream)));
    await scene.play(async (job) => {
      if (job.id.startsWith('fails')) throw new Error('no');
      job.set('text', `of ${job.id}`).set('bytes', Buffer.from([0xff, 0]));
    });
    const producer = scene.producer();
    const ids = Array.from({ length: JOBS }, (_, at) => `${at % 5 === 0 ? 'fails' : 'works'}-${scene.stream}-${at}`);
    const send = {
      stream: scene.stream,
      waitFor: [scene.group],
      returns: ['text', 'bytes'],
      payload: 'entry',
      durable,
    };
    for (const id of ids) {
      const job = await producer.send({ ...send, job: producer.job(id) });
      await job.finished();
      const expected = id.startsWith('fails')
        ? { text: null, bytes: null }
        : { text: `of ${id}`, bytes: Buffer.from([0xff, 0]) };
      assert.deepStrictEqual(await job.get('text', false).get('bytes').pull(), expected);
    }
    await until(() => heard.every((events) => events.length >= JOBS));
    for (const events of heard) {
      const plain = events.map(([error, id, group]) => [error?.message ?? null, id, group]);
      const expected = ids.map((id) => [id.startsWith('fails') ? 'no' : null, id, scene.group]);
      assert.deepStrictEqual(plain.sort(), expected.sort());
    }
    assert.deepStrictEqual(errors, []);
    await recordsMatch(scene, durable);
  });
}

/** Fails if a record of the case has no answer that both packages can parse. */
async function recordsMatch(scene, durable) {
  const entries = await scene.redis.call('XRANGE', keys.stream(scene.stream), '-', '+');
  for (const [entry, [, , , id]] of entries) {
    const record = await scene.redis.call('GET', keys.record(entry, scene.stream, scene.group));
    if (!durable) {
      assert.strictEqual(record, null);
      continue;
    }
    const { str, grp, job, err, val, bin } = JSON.parse(record);
    assert.deepStrictEqual([str, grp, job], [scene.stream, scene.group, id]);
    const expected = id.startsWith('fails') ? [undefined, undefined] : [{ text: `"of ${id}"` }, { bytes: '/wA=' }];
    assert.deepStrictEqual([val, bin], expected);
    assert.strictEqual(err?.message, id.startsWith('fails') ? 'no' : undefined);
  }
}

ours('a producer of 2.2.0 gets its completions from a consumer that answers others', async (_, scene) => {
  await scene.play(async (job) => job.set('outbound', job.id));
  const [old, producer] = [oldProducer(scene), scene.producer()];
  const errors = [];
  old.on('error', (error) => errors.push(error));
  await old.listen();
  const wait = { stream: scene.stream, waitFor: [scene.group] };
  for (let at = 0; at < JOBS; at++) {
    const [plain, answered] = [old.job(), producer.job()];
    await old.send({ ...wait, job: plain });
    await producer.send({ ...wait, job: answered, returns: ['outbound'] });
    await Promise.all([plain.finished(5000), answered.finished(5000)]);
    assert.deepStrictEqual(await plain.get('outbound', false).pull(), { outbound: plain.id });
    assert.deepStrictEqual(await answered.get('outbound', false).pull(), { outbound: answered.id });
  }
  assert.deepStrictEqual(errors, []);
});
