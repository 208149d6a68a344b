'use strict';

/* Entry ids are two numbers of 64 bits; JavaScript's numbers are exact up to 2 ** 53. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { asked } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const LARGEST = '18446744073709551615';
/** Each is the next possible one after the one before. */
const IDS = [`9007199254740993-${LARGEST}`, '9007199254740994-0', '9007199254740994-1'];
const BEYOND = ['18446744073709551616', '18446744073709551616-0', '0-18446744073709551616', '9'.repeat(30)];

async function fill(scene) {
  for (const [at, id] of IDS.entries()) {
    await scene.redis.call('XADD', keys.stream(scene.stream), id, 'prd', 'nobody', 'job', `job-${at}`);
  }
}

for (const [at, fromId] of ['0', ...IDS].entries()) {
  ours(`a group begins behind an id beyond 2 ** 53: ${fromId}`, async (_, scene) => {
    await fill(scene);
    const ran = [];
    const consumer = await scene.play(async ({ id }) => ran.push(id), { fromId });
    await scene.add('last').catch(() => {});
    const expected = ['job-0', 'job-1', 'job-2', 'last'].slice(at);
    await until(() => ran.length >= expected.length);
    await consumer.pause();
    assert.deepStrictEqual(ran, expected);
  });

  ours(`a consumer reads again what is pending behind an id beyond 2 ** 53: ${fromId}`, async (_, scene) => {
    await fill(scene);
    const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
    await scene.redis.call('XGROUP', 'CREATE', key, group, '0');
    await scene.redis.call('XREADGROUP', 'GROUP', group, 'me', 'COUNT', 9, 'STREAMS', key, '>');
    const ran = [];
    const consumer = await scene.play(async ({ id }) => ran.push(id), { id: 'me', readFrom: fromId });
    const expected = ['job-0', 'job-1', 'job-2'].slice(at);
    await until(async () => (await scene.pending()) === 3 - expected.length);
    await consumer.pause();
    assert.deepStrictEqual(ran, expected);
  });
}

ours('events and dead letters keep ids beyond 2 ** 53 exact', async (_, scene) => {
  await fill(scene);
  const deadLetter = scene.name('dead');
  const events = { claimed: [], exhausted: [] };
  const consumer = scene.consumer({ deadLetter, claimInterval: 20, claimDeadline: 40, retryLimit: 2 });
  for (const [name, seen] of Object.entries(events)) consumer.on(name, ({ id }) => seen.push(id));
  consumer.process({ stream: scene.stream, processor: () => Promise.reject(new Error('no')), fromId: '0' });
  await consumer.play();
  await until(() => events.exhausted.length === IDS.length);
  const letters = await new scene.hfxbus.DeadLetters(scene.connection, deadLetter).list();
  for (const ids of [events.claimed, events.exhausted, letters.map(({ entryId }) => entryId)]) {
    assert.deepStrictEqual([...ids].sort(), IDS);
  }
});

ours('dead letters are listed after any id, including the largest sequence and the largest id', async (_, scene) => {
  await fill(scene);
  const letters = new scene.hfxbus.DeadLetters(scene.connection, scene.stream);
  const listed = async (options) => (await letters.list(options)).map(({ id }) => id);
  assert.deepStrictEqual(await listed({ count: 1 }), IDS.slice(0, 1));
  for (const [at, id] of IDS.entries()) {
    assert.deepStrictEqual(await listed({ after: { id, node: 0 } }), IDS.slice(at + 1), id);
  }
  assert.deepStrictEqual(await listed({ after: { id: `${LARGEST}-${LARGEST}`, node: 0 } }), []);
  for (const id of ['', 'last', '1-2-3', ...BEYOND]) {
    await assert.rejects(letters.list({ after: { id, node: 0 } }), { name: 'TypeError' }, id);
  }
  assert.strictEqual(await letters.drop({ id: IDS[0], node: 0 }), true);
  assert.deepStrictEqual(await listed({}), IDS.slice(1));
});

ours('the command line continues after the largest sequence, and finds dead letters by such ids', async (_, scene) => {
  const [dead, last] = [IDS[0], IDS[1]];
  const key = keys.stream(scene.stream);
  const page = Array.from({ length: 999 }, (_, at) => ['XADD', key, `1-${at + 1}`, 'job', 'other']);
  const fields = ['prd', 'nobody', 'job', 'wanted', 'str', scene.name('target')];
  await scene.redis.client.callAll([...page, ['XADD', key, dead, ...fields], ['XADD', key, last, ...fields]]);
  const url = `redis://127.0.0.1:${scene.redis.port}`;
  const why = await asked(['why', 'wanted', '--stream', scene.stream, '--url', url]);
  assert.deepStrictEqual(
    why.said.entries.map(({ id }) => id),
    [dead, last],
  );
  const replayed = await asked(['dead', 'replay', scene.stream, dead, last, '--yes', '--url', url]);
  assert.deepStrictEqual([replayed.code, replayed.said.missing], [0, []]);
  assert.deepStrictEqual(
    replayed.said.done.map(({ id, jobId, error }) => [id, jobId, error]),
    [
      [dead, 'wanted', undefined],
      [last, 'wanted', undefined],
    ],
  );
});

ours('an invalid entry id is rejected before a command is sent', async (_, scene) => {
  const given = (options) => () => scene.consumer().process({ stream: scene.stream, processor() {}, ...options });
  for (const readFrom of [...BEYOND, '', '-1', '1-', '1-2-3', '1e3', ' 1', '$', '+', 2 ** 53, Infinity]) {
    assert.throws(given({ readFrom }), { name: 'RangeError', message: /^readFrom must be / }, `${readFrom}`);
  }
  for (const fromId of [2 ** 53, Infinity]) {
    assert.throws(given({ fromId }), { name: 'RangeError', message: /^fromId must be a string/ }, `${fromId}`);
  }
  for (const readFrom of ['>', '0', '5', LARGEST, `${LARGEST}-${LARGEST}`, 2 ** 53 - 1, null, undefined])
    given({ readFrom })();
});
