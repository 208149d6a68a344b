'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { asked } = require('../support/command-line.js');
const { carriedBy, fieldsOf } = require('../support/entry-fields.js');
const { until } = require('../support/wait-until.js');

const BYTES = Buffer.from([0xff, 0, 0xc3, 0x28]);

/** Ways to give a job up. */
const ENDS = {
  'an unrecoverable error': { make: ({ UnrecoverableError }) => new UnrecoverableError('no use') },
  'the last attempt': {
    make: () => new Error('no'),
    claiming: { claimInterval: 20, claimDeadline: 40, retryLimit: 2 },
  },
};

/** Has a job dead-lettered whose entry carries its values. */
async function deadLettered(scene, deadLetter, { make, claiming }, payload) {
  const group = scene.name('group');
  const processor = () => {
    throw make(scene.hfxbus);
  };
  const consumer = await scene.play(processor, { deadLetter, group, ...claiming });
  const producer = scene.producer();
  const job = producer.job().set('text', 'Hello').set('bytes', BYTES).set('', 0);
  const wait = { waitFor: ['nobody'], returns: ['outbound'] };
  await producer.send({ stream: scene.stream, job, payload, ...wait });
  await until(async () => (await scene.length(deadLetter)) === 1, { what: 'a dead letter' });
  await consumer.pause();
  return job;
}

const EXPECTED = new Map([
  ['text', Buffer.from('"Hello"')],
  ['bytes', BYTES],
  ['', Buffer.from('0')],
]);

for (const [how, end] of Object.entries(ENDS)) {
  for (const payload of ['keys', 'entry']) {
    ours(
      `a dead letter of ${how} keeps the carried values, and its replay too, with payload: '${payload}'`,
      async (_, scene) => {
        const deadLetter = scene.name('dead');
        const job = await deadLettered(scene, deadLetter, end, payload);
        assert.deepStrictEqual(await carriedBy(scene, { stream: deadLetter }), EXPECTED);
        const letters = new scene.hfxbus.DeadLetters(scene.connection, deadLetter);
        const [letter] = await letters.list();
        assert.ok(!JSON.stringify(letter).includes('Hello'));
        const seen = [];
        const processor = async (one) => seen.push([one.id, await one.get('text', false).get('bytes').get('').pull()]);
        await scene.play(processor, { group: 'again' });
        await letters.replay(letter);
        await until(() => seen.length === 1);
        assert.deepStrictEqual(seen, [[job.id, { text: 'Hello', bytes: BYTES, '': Buffer.from('0') }]]);
        assert.deepStrictEqual(await carriedBy(scene), EXPECTED);
        const names = (await fieldsOf(scene)).map(([name]) => name);
        const expected = ['prd', 'job', 'val:text', 'val:bytes', 'val:', ...(payload === 'entry' ? ['own'] : [])];
        assert.deepStrictEqual(names, expected);
        assert.strictEqual(await scene.length(deadLetter), 0);
      },
    );
  }
}

ours('the command line replays a letter with its values, and prints none of them', async (_, scene) => {
  const deadLetter = scene.name('dead');
  await deadLettered(scene, deadLetter, ENDS['an unrecoverable error'], 'entry');
  const url = ['--url', `redis://127.0.0.1:${scene.redis.port}`];
  const listed = await asked(['dead-letters', 'list', deadLetter, ...url]);
  const replayed = await asked(['dead-letters', 'replay', deadLetter, '--all', '--yes', ...url]);
  assert.deepStrictEqual([listed.code, replayed.code], [0, 0]);
  assert.ok(!JSON.stringify([listed, replayed]).includes('Hello'));
  assert.deepStrictEqual(await carriedBy(scene), EXPECTED);
});

ours('a consumer of dead letters reads their values', async (_, scene) => {
  const deadLetter = scene.name('dead');
  await deadLettered(scene, deadLetter, ENDS['an unrecoverable error'], 'entry');
  const seen = [];
  await scene.play(async (job) => seen.push(await job.get('text', false).get('bytes').pull()), {
    stream: deadLetter,
    fromId: '0',
  });
  await until(() => seen.length === 1);
  assert.deepStrictEqual(seen, [{ text: 'Hello', bytes: BYTES }]);
});
