'use strict';

const assert = require('node:assert');
const { channel } = require('node:diagnostics_channel');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');

/** Sends a job whose entry is the only copy of its payload, and waits for it. */
async function finishedEntry(scene, processor) {
  const { stream, group } = scene;
  await scene.play(processor);
  const producer = scene.producer();
  const job = producer.job().set('inbound', 'Hello ');
  await producer.send({ stream, job, waitFor: [group], returns: ['outbound'], payload: 'entry' });
  await job.finished();
  return job;
}

ours('an answer needs no payload key, and can be read again', async (_, scene) => {
  const job = await finishedEntry(scene, async (running) => {
    const { inbound } = await running.get('inbound', false).pull();
    running.set('outbound', `${inbound}world!`);
  });
  for (let reads = 0; reads < 2; reads++) {
    assert.deepStrictEqual(await job.get('outbound', false).pull(), { outbound: 'Hello world!' });
  }
  assert.deepStrictEqual(await job.get('outbound').pull(), { outbound: Buffer.from('"Hello world!"') });
  assert.deepStrictEqual(await scene.redis.call('KEYS', keys.payload(job.id, '*')), []);
});

ours('an answer that is too large for a completion is a payload key', async (_, scene) => {
  const large = 'x'.repeat(5000);
  const job = await finishedEntry(scene, (running) => void running.set('outbound', large));
  assert.deepStrictEqual(await job.get('outbound', false).pull(), { outbound: large });
  assert.strictEqual(await scene.redis.call('EXISTS', keys.payload(job.id, 'outbound')), 1);
});

ours('several groups answer, and a pull reads the values of all of them', async (_, scene) => {
  const groups = [scene.name('group'), scene.name('group')];
  for (const [at, group] of groups.entries()) {
    await scene.play((job) => void job.set(`from${at}`, at), { group });
  }
  const producer = scene.producer();
  const job = producer.job();
  await producer.send({ stream: scene.stream, job, waitFor: groups, returns: ['from0', 'from1'] });
  await job.finished();
  assert.deepStrictEqual(await job.get('from0', false).get('from1', false).pull(), { from0: 0, from1: 1 });
});

for (const options of [{ payload: 'nowhere' }, { returns: ['a'] }, { returns: 'a', waitFor: ['g'] }, { carry: 1 }]) {
  ours(`send() refuses ${JSON.stringify(options)}, keeps the values and ends its span`, async (_, scene) => {
    const producer = scene.producer();
    const job = producer.job().set('inbound', 1);
    const outcomes = [];
    const begin = () => {};
    const end = ({ error }) => outcomes.push(error);
    channel('hfxbus:send').subscribe(begin);
    channel('hfxbus:sent').subscribe(end);
    try {
      const refusal = await producer.send({ stream: scene.stream, job, ...options }).catch((error) => error);
      assert.ok(refusal instanceof TypeError, `${refusal}`);
      assert.deepStrictEqual(outcomes, [refusal]);
    } finally {
      channel('hfxbus:send').unsubscribe(begin);
      channel('hfxbus:sent').unsubscribe(end);
    }
    await producer.send({ stream: scene.stream, job });
    assert.strictEqual(await scene.redis.call('EXISTS', keys.payload(job.id, 'inbound')), 1);
  });
}
