'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { carriedBy, fieldsOf } = require('../support/entry-fields.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/* Payload keys and values of every kind, in entries and completions. */

/** Payload keys that could be taken for something else. */
const KEYS = [
  'job',
  'prd',
  'rec',
  'hdr',
  'val',
  'val:',
  'val:x',
  'ret',
  'own',
  'str',
  'grp',
  'err',
  'bin',
  '__proto__',
  'constructor',
  'a "quoted" \\ key',
  'line\nbreak\r\n\t',
  '\u0000',
  'ação 日本語 😀',
  '',
  ' ',
];

/** Values, by name; Buffers are read as such. */
const VALUES = {
  'no byte': Buffer.alloc(0),
  'every byte': Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  'no UTF-8': Buffer.from([0xff, 0xfe, 0xc3, 0x28]),
  'a mark of byte order': Buffer.from('\ufeff"text"'),
  'text as bytes': Buffer.from('plain'),
  text: 'Hello "world"\n',
  'an empty text': '',
  'a lone surrogate': '\ud800',
  number: -1.5e-7,
  null: null,
  'nothing at all': undefined,
  object: { list: [1, [2, { three: null }]], ['__proto__']: 'own', empty: {} },
};

const PAYLOADS = ['keys', 'entry'];

/** Plays a consumer that answers with its input. @returns what it has read, by key */
async function echo(scene, { names, asBuffer = true, isPushed = false, ...options }) {
  const read = new Map();
  const processor = async (job) => {
    for (const key of names) {
      const { [key]: value } = await job.get(key, asBuffer).pull();
      read.set(key, value);
      job.set(key, value);
    }
    if (isPushed) await job.push();
  };
  await scene.play(processor, options);
  return read;
}

for (const payload of PAYLOADS) {
  for (const isPushed of [false, true]) {
    const how = `${isPushed ? 'pushed' : 'set'} answers and payload: '${payload}'`;
    ours(`keys of every kind arrive and come back, with ${how}`, async (_, scene) => {
      const read = await echo(scene, { names: KEYS, isPushed, asBuffer: false });
      const producer = scene.producer();
      const job = producer.job();
      for (const key of KEYS) job.set(key, `value of ${key}`);
      const send = { stream: scene.stream, waitFor: [scene.group], returns: KEYS, payload, carry: KEYS };
      await producer.send({ ...send, job });
      assert.deepStrictEqual([...(await carriedBy(scene)).keys()].sort(), [...KEYS].sort());
      const [[, prd], [, id]] = await fieldsOf(scene);
      assert.deepStrictEqual([prd.toString(), id.toString()], [producer.id, job.id]);
      const { [scene.group]: outcome } = await job.finished();
      assert.ok(outcome instanceof Date, JSON.stringify(outcome));
      assert.deepStrictEqual(read, new Map(KEYS.map((key) => [key, `value of ${key}`])));
      const monitor = await scene.monitor();
      for (const key of KEYS) job.get(key, false);
      const result = await job.pull();
      assert.deepStrictEqual(Object.entries(result).sort(), [...read].sort());
      assert.strictEqual(Object.getPrototypeOf(result), Object.prototype);
      assert.deepStrictEqual(await monitor.about(job.id), []);
    });
  }
}

for (const payload of PAYLOADS) {
  ours(`values of every kind are read as from Redis, with payload: '${payload}'`, async (_, scene) => {
    const producer = scene.producer();
    const names = Object.keys(VALUES);
    const reference = producer.job();
    for (const [key, value] of Object.entries(VALUES)) reference.set(key, value);
    await reference.push();
    const results = [];
    const processor = async (job) => {
      for (const asBuffer of [true, false]) {
        for (const key of names) job.get(key, asBuffer);
        const result = await job.pull();
        for (const key of names) if (result[key] instanceof Error) result[key] = `${result[key]}`;
        results.push(result);
      }
      if (job.id !== reference.id) for (const [key, value] of Object.entries(VALUES)) job.set(key, value);
    };
    await scene.play(processor);
    const wait = { stream: scene.stream, waitFor: [scene.group], returns: names };
    const first = await producer.send({ ...wait, job: reference, carry: false });
    await first.finished();
    const job = producer.job();
    for (const [key, value] of Object.entries(VALUES)) job.set(key, value);
    await producer.send({ ...wait, job, payload, carry: true });
    assert.strictEqual((await carriedBy(scene)).size, names.length);
    await job.finished();
    await until(() => results.length === 4);
    assert.deepStrictEqual(results[2], results[0]);
    assert.deepStrictEqual(results[3], results[1]);
    for (const asBuffer of [true, false]) {
      for (const key of names) [job, reference].map((one) => one.get(key, asBuffer));
      const [result, expected] = await Promise.all([job.pull(), reference.pull()]);
      const asText = (value) => (value instanceof Error ? `${value}` : value);
      for (const key of names) assert.deepStrictEqual(asText(result[key]), asText(expected[key]), key);
    }
  });
}

for (const payload of PAYLOADS) {
  ours(`a Buffer that is read twice is not shared, with payload: '${payload}'`, async (_, scene) => {
    const reads = [];
    const processor = async (job) => {
      const { a: first } = await job.get('a').pull();
      first.fill('x');
      const { a: second } = await job.get('a').pull();
      const both = await job.get('a').get('b').pull();
      second.fill('y');
      reads.push(both.a.toString(), both.b.toString());
      job.set('out', first);
    };
    await scene.play(processor);
    const producer = scene.producer();
    const job = producer
      .job()
      .set('a', Buffer.from('before'))
      .set('b', Buffer.from([0xff, 1]));
    const send = { stream: scene.stream, waitFor: [scene.group], returns: ['out'], payload };
    await producer.send({ ...send, job });
    await job.finished();
    assert.deepStrictEqual(reads, ['before', Buffer.from([0xff, 1]).toString()]);
    const { out } = await job.get('out').pull();
    assert.strictEqual(out.toString(), 'xxxxxx');
  });
}

ours('a key with half of a surrogate pair, which Redis has under another name, is not carried', async (_, scene) => {
  const key = 'half \ud800';
  const read = await echo(scene, { names: [key], asBuffer: false });
  const producer = scene.producer();
  const job = producer.job().set(key, 'Hello');
  const wait = { stream: scene.stream, waitFor: [scene.group] };
  await assert.rejects(producer.send({ ...wait, job, payload: 'entry' }), TypeError);
  await assert.rejects(producer.send({ ...wait, job, returns: [key] }), TypeError);
  await producer.send({ ...wait, job });
  assert.deepStrictEqual(await carriedBy(scene), new Map());
  await job.finished();
  assert.deepStrictEqual([...read.values()], ['Hello']);
  assert.deepStrictEqual(Object.values(await job.get(key, false).pull()), ['Hello']);
});

ours('a completion with an unreadable answer still ends the wait', async (_, scene) => {
  const producer = scene.producer();
  await producer.listen();
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['g'], returns: ['a', 'b'] });
  await scene.redis.call('SET', keys.payload(job.id, 'a'), '1');
  await scene.complete(job.id, producer.id, { group: 'g', val: { a: 1, b: {} }, bin: 'x' });
  const { g: outcome } = await job.finished();
  assert.ok(outcome instanceof Date);
  assert.deepStrictEqual(await job.get('a', false).get('b', false).pull(), { a: 1, b: null });
});

for (const ret of ['', '[', '{}', '[1,null,{}]', '"outbound"', Buffer.from([0xff])]) {
  ours(`a list of keys to return that is none is not followed: ${ret}`, async (_, scene) => {
    const heard = await scene.hear(keys.channel(scene.stream, 'nobody'));
    const consumer = await scene.play(async (job) => job.set('outbound', 1));
    const errors = scene.errors(consumer);
    await scene.redis.call('XADD', keys.stream(scene.stream), '*', 'prd', 'nobody', 'job', scene.stream, 'ret', ret);
    await until(() => heard.length === 1);
    const expected = { str: scene.stream, grp: scene.group, job: scene.stream };
    assert.deepStrictEqual(JSON.parse(heard[0].message), expected);
    assert.strictEqual(await scene.redis.call('GET', keys.payload(scene.stream, 'outbound')), '1');
    assert.deepStrictEqual(errors, []);
  });
}
