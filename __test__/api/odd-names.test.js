'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** Names that are allowed, each of which some layer might read as something else. */
const NAMES = {
  'with NUL': 'a\0b',
  'with quotes': `a"b'c\\`,
  'with a line break': 'a\r\n*1\r\n$4\r\nPING\r\n',
  'of a property of every object': '__proto__',
  'that is a glob': '*[x]?',
  'outside of the first plane': '😀é日',
  'that is very long': 'n'.repeat(100_000),
  'that is a blank': ' ',
};

for (const [kind, odd] of Object.entries(NAMES)) {
  ours(`a name ${kind} works like any other: of a stream, a group, a job, a key`, async (_, scene) => {
    const [stream, group] = [scene.name(odd), scene.name(odd)];
    const pulled = [];
    await scene.play(async (job) => pulled.push([job.id, await job.get(odd, false).pull()]), { stream, group });
    const producer = scene.producer();
    const heard = [];
    if (!odd.includes('*')) {
      await producer.listen(stream);
      producer.on(stream, (error, job, from) => heard.push([error, job, from]));
    }
    const job = producer.job(odd);
    await job.set(odd, 1).push();
    await producer.send({ stream, job, waitFor: [group] });
    const completions = await job.finished(5000);
    assert.deepStrictEqual(Object.keys(completions), [group]);
    assert.deepStrictEqual(pulled, [[odd, { ['__proto__' === odd ? '__proto__' : odd]: 1 }]]);
    if (!odd.includes('*')) assert.deepStrictEqual(heard, [[null, odd, group]]);
    assert.strictEqual(await scene.redis.call('GET', keys.payload(odd, odd)), '1');
  });
}

ours('half of a surrogate pair is stored as U+FFFD and never joins its neighbour', async (_, scene) => {
  const [high, low] = ['\ud83d', '\ude00'];
  const job = scene.producer().job(`job${high}`);
  await job.set(`${low}a${high}`, `${high}`).set(`${low}b`, 2).push();
  assert.deepStrictEqual(await job.get(`${low}a${high}`, false).get(`${low}b`, false).pull(), {
    [`${low}a${high}`]: high,
    [`${low}b`]: 2,
  });
  const key = (name) => keys.payload('job\ufffd', name);
  assert.strictEqual(await scene.redis.call('GET', key('\ufffda\ufffd')), '"\\ud83d"');
  assert.strictEqual(await scene.redis.call('GET', key('\ufffdb')), '2');
});

ours('names that are numbers are read as their digits', async (_, scene) => {
  await scene.play(async () => {}, { stream: 17, group: 4, id: 9 });
  const producer = scene.producer();
  const job = await producer.send({ stream: 17, job: producer.job(5), waitFor: ['4'] });
  assert.ok((await job.finished(5000))['4'] instanceof Date);
});

const HIGH = '\ud800';

/** A name with half of a surrogate pair, and what Redis has for it. */
function halved(scene) {
  const name = scene.name('odd');
  return [`${name}${HIGH}`, `${name}\ufffd`];
}

ours('half of a surrogate pair in the names of a stream, a group and a job hides no completion', async (_, scene) => {
  const [[stream, wireStream], [group, wireGroup], [id, wireId]] = [halved(scene), halved(scene), halved(scene)];
  const ran = [];
  await scene.play(async (job) => ran.push(job.id), { stream, group });
  const producer = scene.producer();
  await producer.listen(stream);
  const heard = [];
  for (const name of [stream, wireStream]) producer.on(name, (...args) => heard.push([name, ...args]));
  const job = await producer.send({ stream, job: producer.job(id), waitFor: [group] });
  const completions = await job.finished(5000);
  assert.deepStrictEqual([Object.keys(completions), job.id, ran], [[group], id, [wireId]]);
  assert.ok(completions[group] instanceof Date);
  const rest = [null, wireId, wireGroup];
  await until(() => heard.length === 2);
  assert.deepStrictEqual(heard, [
    [stream, ...rest],
    [wireStream, ...rest],
  ]);
  const [found] = await scene.redis.call('XINFO', 'GROUPS', keys.stream(wireStream));
  assert.strictEqual(found[1], keys.group(wireGroup));
});

ours('an error reaches all names that are one group in Redis', async (_, scene) => {
  const begin = scene.name('group');
  const waitFor = [`${begin}\ud800`, `${begin}\udfff`, `${begin}\ufffd`];
  await scene.play(() => Promise.reject(new Error('halved \ud800')), { group: waitFor[1] });
  const producer = scene.producer();
  for (const rejectOnError of [false, true]) {
    const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor, rejectOnError });
    const completions = await job.finished(5000).catch((rejected) => rejected);
    assert.deepStrictEqual(Object.keys(completions), waitFor);
    for (const group of waitFor) assert.strictEqual(completions[group].message, 'halved \ud800');
  }
});

ours('names that are one stream in Redis have one processor, the last', async (_, scene) => {
  const begin = scene.name('stream');
  const ran = [];
  const consumer = scene.consumer();
  for (const stream of [`${begin}\ud800`, `${begin}\ud801`]) {
    consumer.process({ stream, processor: async () => ran.push(stream) });
  }
  await consumer.play();
  const producer = scene.producer();
  const job = await producer.send({ stream: `${begin}\udfff`, job: producer.job(), waitFor: [scene.group] });
  await job.finished(5000);
  assert.deepStrictEqual(ran, [`${begin}\ud801`]);
});

ours('half of a surrogate pair in a prefix, an id, a route and a key returns unchanged', async (_, scene) => {
  const keyPrefix = `${scene.name('prefix')}${HIGH}`;
  const connection = scene.connect({ keyPrefix });
  const [key] = halved(scene);
  const pulled = [];
  const consumer = scene.consumer({ id: `id${HIGH}` }, connection);
  const processor = async (job) => pulled.push(await job.get(key, false).pull());
  await consumer.process({ stream: scene.stream, processor, prefetch: [key] }).play();
  const producer = scene.producer(connection);
  const job = producer.job();
  await job.set(key, HIGH).push();
  await producer.send({ stream: scene.stream, job, waitFor: [scene.group], route: HIGH });
  await job.finished(5000);
  assert.deepStrictEqual([pulled, connection.getKeyPrefix()], [[{ [key]: HIGH }], keyPrefix]);
});
