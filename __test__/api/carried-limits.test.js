'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { carriedBy, fieldsOf } = require('../support/entry-fields.js');
const { keys } = require('../support/keys.js');

/* Sizes of values that entries and completions carry. */

const MEBIBYTE = 1024 * 1024;

/** Sends a job with values of some sizes. @returns the keys of the values that its entry carries */
async function carried(scene, sizes, { isPushed = false, ...send } = {}) {
  const producer = scene.producer();
  const job = producer.job();
  for (const [key, size] of Object.entries(sizes)) job.set(key, Buffer.alloc(size, 7));
  if (isPushed) await job.push();
  await producer.send({ stream: scene.stream, job, ...send });
  for (const [key, size] of Object.entries(sizes)) {
    assert.strictEqual(await scene.redis.call('STRLEN', keys.payload(job.id, key)), size);
  }
  const values = await carriedBy(scene);
  for (const [key, value] of values) assert.deepStrictEqual(value, Buffer.alloc(sizes[key], 7));
  return [...values.keys()];
}

const LIMITS = [
  ['without an option', {}, 256, 256],
  ['with capped', { capped: 1000 }, 1024, 4096],
  ['with carry: true', { carry: true }, 1024, 4096],
  ['with limits of its own', { carry: { maxValueSize: 5, maxTotalSize: 12 } }, 5, 12],
];

for (const isPushed of [false, true]) {
  const kind = isPushed ? 'pushed' : 'set';
  for (const [how, send, each, all] of LIMITS) {
    ours(`a ${kind} value is carried up to its limit, ${how}`, async (_, scene) => {
      const given = { ...send, isPushed };
      assert.deepStrictEqual(await carried(scene, { a: each }, given), ['a']);
      assert.deepStrictEqual(await carried(scene, { a: each + 1 }, given), []);
      assert.deepStrictEqual(await carried(scene, { a: 0 }, given), ['a']);
      const count = Math.floor(all / each);
      const rest = all - count * each;
      const full = Object.fromEntries(Array.from({ length: count }, (_, at) => [`full-${at}`, each]));
      const names = [...Object.keys(full), 'rest'];
      assert.deepStrictEqual(await carried(scene, { ...full, rest }, given), names);
      assert.deepStrictEqual(await carried(scene, { ...full, rest: rest + 1 }, given), Object.keys(full));
      assert.deepStrictEqual(await carried(scene, { ...full, over: rest + 1, rest }, given), names);
    });
  }
}

ours('nothing is carried with carry: false, and only the named keys with a list', async (_, scene) => {
  const sizes = { a: 1, b: 1000, c: 1 };
  assert.deepStrictEqual(await carried(scene, sizes, { carry: false }), []);
  assert.deepStrictEqual(await carried(scene, sizes, { carry: ['b', 'absent'] }), ['b']);
  assert.deepStrictEqual(await carried(scene, sizes, { carry: [] }), []);
  assert.deepStrictEqual(await carried(scene, sizes, { carry: { keys: ['a', 'b'], maxValueSize: 10 } }), ['a']);
});

ours('text counts by its bytes of UTF-8', async (_, scene) => {
  const producer = scene.producer();
  const [fits, exceeds] = ['é'.repeat(127), 'é'.repeat(128)];
  await producer.send({ stream: scene.stream, job: producer.job().set('a', fits) });
  assert.deepStrictEqual(await carriedBy(scene), new Map([['a', Buffer.from(`"${fits}"`)]]));
  await producer.send({ stream: scene.stream, job: producer.job().set('a', exceeds) });
  assert.deepStrictEqual(await carriedBy(scene), new Map());
});

ours('the last value of a key counts', async (_, scene) => {
  const producer = scene.producer();
  const job = producer.job().set('a', 'first').set('b', 'x'.repeat(300)).set('a', 'last').set('b', 'short');
  await producer.send({ stream: scene.stream, job });
  const expected = [
    ['a', Buffer.from('"last"')],
    ['b', Buffer.from('"short"')],
  ];
  assert.deepStrictEqual([...(await carriedBy(scene))].sort(), expected);
  const large = producer.job().set('a', 'short').set('a', 'x'.repeat(300));
  await producer.send({ stream: scene.stream, job: large });
  assert.deepStrictEqual(await carriedBy(scene), new Map());
});

ours('a set value replaces the pushed one, and a removed one is not carried', async (_, scene) => {
  const producer = scene.producer();
  const job = producer.job().set('a', 1).set('b', 1).set('c', 1);
  await job.push();
  await job.set('c', 2).push();
  await job.del('b').pull();
  job.set('a', 2);
  await producer.send({ stream: scene.stream, job });
  const expected = [
    ['a', Buffer.from('2')],
    ['c', Buffer.from('2')],
  ];
  assert.deepStrictEqual([...(await carriedBy(scene))].sort(), expected);
});

ours('a value with a timeout is written and not carried', async (_, scene) => {
  const producer = scene.producer();
  const job = producer.job().set('a', 1, 60000);
  await job.set('b', 1, 60000).push();
  await producer.send({ stream: scene.stream, job });
  assert.deepStrictEqual(await carriedBy(scene), new Map());
  for (const key of ['a', 'b']) assert.ok((await scene.redis.call('PTTL', keys.payload(job.id, key))) > 0, key);
});

ours('a Buffer is carried as it was pushed, also if it is changed later', async (_, scene) => {
  const producer = scene.producer();
  const [whole, value] = [Buffer.from('..before..'), Buffer.from('before')];
  const job = producer.job().set('part', whole.subarray(2, 8)).set('whole', value);
  const pushed = job.push();
  whole.fill('x');
  value.fill('x');
  await pushed;
  await producer.send({ stream: scene.stream, job });
  const expected = new Map(['part', 'whole'].map((key) => [key, Buffer.from('before')]));
  assert.deepStrictEqual(await carriedBy(scene), expected);
  const names = ['part', 'whole'].map((key) => keys.payload(job.id, key));
  assert.deepStrictEqual(await scene.redis.call('MGET', ...names), ['before', 'before']);
});

for (const payload of ['keys', 'entry']) {
  ours(`on several nodes a Buffer leaves as it was at send(), with payload: '${payload}'`, async (_, scene) => {
    const nodes = await scene.nodes();
    const connection = scene.partition(nodes);
    const producer = scene.producer(connection);
    const value = Buffer.from('before');
    const job = producer.job().set('a', value);
    const sending = producer.send({ stream: scene.stream, job, payload });
    value.fill('x');
    await sending;
    const found = [];
    for (const redis of nodes) {
      if (await redis.call('EXISTS', keys.stream(scene.stream))) found.push(await carriedBy(scene, { redis }));
    }
    assert.deepStrictEqual(found, [new Map([['a', Buffer.from('before')]])]);
  });
}

ours("an entry takes up to 1 MiB with payload: 'entry'", async (_, scene) => {
  const producer = scene.producer();
  const whole = producer
    .job()
    .set('a', Buffer.alloc(MEBIBYTE - 1))
    .set('b', Buffer.alloc(1));
  await producer.send({ stream: scene.stream, job: whole, payload: 'entry' });
  assert.deepStrictEqual(
    [...(await carriedBy(scene)).values()].map(({ length }) => length),
    [MEBIBYTE - 1, 1],
  );
  const job = producer.job().set('a', Buffer.alloc(MEBIBYTE)).set('b', Buffer.alloc(1));
  await assert.rejects(producer.send({ stream: scene.stream, job, payload: 'entry' }), RangeError);
  assert.strictEqual(await scene.length(), 1);
  // The job has kept its values.
  await producer.send({ stream: scene.stream, job });
  const lengths = ['a', 'b'].map((key) => scene.redis.call('STRLEN', keys.payload(job.id, key)));
  assert.deepStrictEqual(await Promise.all(lengths), [MEBIBYTE, 1]);
});

ours("payload: 'entry' refuses pushed values and timeouts, and the job keeps its values", async (_, scene) => {
  const producer = scene.producer();
  const pushed = producer.job();
  await pushed.set('a', 1).push();
  await assert.rejects(producer.send({ stream: scene.stream, job: pushed, payload: 'entry' }), TypeError);
  const expiring = producer.job().set('a', 1, 60000);
  await assert.rejects(producer.send({ stream: scene.stream, job: expiring, payload: 'entry' }), TypeError);
  assert.strictEqual(await scene.length(), 0);
  for (const job of [pushed, expiring]) {
    await producer.send({ stream: scene.stream, job });
    assert.strictEqual(await scene.redis.call('GET', keys.payload(job.id, 'a')), '1');
  }
});

/** Runs a job with returned values of some sizes. @returns the keys with a value in its completion, and those in Redis */
async function answered(scene, sizes, send = {}) {
  const producer = scene.producer();
  const channel = keys.channel(scene.stream, producer.id);
  const heard = await scene.hear(channel);
  const consumer = await scene.play(async (job) => {
    for (const [key, size] of Object.entries(sizes)) job.set(key, Buffer.alloc(size, 7));
  });
  const names = Object.keys(sizes);
  const given = { stream: scene.stream, waitFor: [scene.group], returns: names, ...send };
  const job = await producer.send({ ...given, job: producer.job() });
  await job.finished();
  const exist = names.map((key) => scene.redis.call('EXISTS', keys.payload(job.id, key)));
  const inRedis = (await Promise.all(exist)).map(Boolean);
  for (const key of names) job.get(key);
  const read = await job.pull();
  for (const key of names) assert.deepStrictEqual(read[key], Buffer.alloc(sizes[key], 7));
  await consumer.pause();
  assert.strictEqual(heard.length, 1);
  const { val = {}, bin = {} } = JSON.parse(heard[0].message);
  return {
    answered: names.filter((key) => key in val || key in bin),
    written: names.filter((_, at) => inRedis[at]),
  };
}

const FULL = { a: 1024, b: 1024, c: 1024, d: 1024 };
const ANSWERS = [
  ['of no byte', { a: 0 }, ['a']],
  ['of its largest size', { a: 1024 }, ['a']],
  ['that is too large', { a: 1025 }, []],
  ['with all of its largest sizes, and one without a byte', { ...FULL, e: 0 }, ['a', 'b', 'c', 'd', 'e']],
  ['with one too many', { ...FULL, e: 1 }, ['a', 'b', 'c', 'd']],
];

for (const [kind, sizes, expected] of ANSWERS) {
  ours(`an answer ${kind} comes back in the completion, or as a payload key`, async (_, scene) => {
    const names = Object.keys(sizes);
    assert.deepStrictEqual(await answered(scene, sizes), { answered: expected, written: names });
  });
  ours(`an answer ${kind} is written only if it does not come back in the completion`, async (_, scene) => {
    const left = Object.keys(sizes).filter((key) => !expected.includes(key));
    const result = await answered(scene, sizes, { payload: 'entry' });
    assert.deepStrictEqual(result, { answered: expected, written: left });
  });
}

ours('the fields of the payload come after all others, and only as asked for', async (_, scene) => {
  const producer = scene.producer();
  const names = async () => (await fieldsOf(scene)).map(([name]) => name);
  await producer.send({ stream: scene.stream, job: producer.job() });
  assert.deepStrictEqual(await names(), ['prd', 'job']);
  const wait = { waitFor: ['g'], returns: ['out'], durable: true };
  await producer.send({ stream: scene.stream, job: producer.job().set('a', 1), ...wait });
  assert.deepStrictEqual(await names(), ['prd', 'job', 'rec', 'val:a', 'ret']);
  await producer.send({ stream: scene.stream, job: producer.job().set('a', 1), payload: 'entry' });
  assert.deepStrictEqual(await names(), ['prd', 'job', 'val:a', 'own']);
});
