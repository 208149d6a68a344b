'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');

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
  ours(`a name ${kind} is a name like any other: of a stream, a group, a job, a key`, async (_, scene) => {
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
