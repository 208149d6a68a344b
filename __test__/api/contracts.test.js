'use strict';

/* defineStream(): payloads and results that schemas describe, checked where they are sent and received. */

const assert = require('node:assert');
const { test } = require('node:test');
const { inspect } = require('node:util');
const { type } = require('arktype');
const v = require('valibot');
const z = require('zod');
const { ContractError, DeadLetters, defineStream } = require('../../index.js');
const { Job } = require('../../src/facade/api/job.js');
const { fix, ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const SECRET = 'secret-value';

/** Contract of the stream of a case. */
function contractOf(scene, definition) {
  return defineStream({ name: scene.stream, ...definition });
}

/** A consumer of the group of the case that plays by a contract. */
async function playBy(scene, contract, processor, { consumer = scene.consumer(), ...options } = {}) {
  contract.process(consumer, { group: scene.group, processor, ...options });
  await consumer.play();
  return consumer;
}

/** Returns the error of a promise. */
function failure(promise) {
  return promise.then(
    () => assert.fail('no error'),
    (error) => error,
  );
}

const ITEM = {
  zod: z.object({ item: z.string(), count: z.number().default(1) }),
  valibot: v.object({ item: v.string(), count: v.optional(v.number(), 1) }),
  arktype: type({ item: 'string', count: 'number = 1' }),
};

for (const [library, schema] of Object.entries(ITEM)) {
  ours(`a schema of ${library} checks what is sent, and its defaults apply where it is received`, async (_, scene) => {
    const contract = contractOf(scene, {
      payload: { order: schema, scan: { format: 'bytes' } },
      results: { [scene.group]: { total: schema } },
    });
    const seen = [];
    await playBy(scene, contract, async (job) => {
      seen.push(await job.pull());
      return { total: { item: SECRET } };
    });
    const producer = scene.producer();
    const values = { order: { item: 'tea' }, scan: new Uint8Array([1, 2]) };
    const sent = await contract.send(producer, values, { waitFor: [scene.group] });
    const { [scene.group]: outcome } = await sent.finished(8000);
    assert.deepStrictEqual(seen, [{ order: { item: 'tea', count: 1 }, scan: Buffer.from([1, 2]) }]);
    assert.deepStrictEqual([outcome.status, outcome.value], ['fulfilled', { total: { item: SECRET, count: 1 } }]);
    assert.ok(outcome.at instanceof Date);
    const error = await failure(contract.send(producer, { order: { item: 5, count: SECRET }, scan: SECRET }));
    assert.ok(error instanceof ContractError);
    assert.deepStrictEqual([error.code, error.at, error.stream], ['PAYLOAD_INVALID', 'send', scene.stream]);
    assert.deepStrictEqual(error.issues.map(({ key, path }) => [key, ...path].join('.')).sort(), [
      'order.count',
      'order.item',
      'scan',
    ]);
    assert.match(error.message, /order\.item/);
    for (const text of [inspect(error), error.stack, JSON.stringify(error)]) assert.ok(!text.includes(SECRET), text);
    assert.strictEqual(error.details().length, 3);
    assert.strictEqual(await scene.length(), 1);
  });
}

ours('a sender checks the JSON that the receiver will read', async (_, scene) => {
  const wrong = contractOf(scene, { payload: { at: z.date() } });
  const right = contractOf(scene, { payload: { at: z.coerce.date() } });
  const producer = scene.producer();
  const at = new Date(0);
  assert.strictEqual((await failure(wrong.send(producer, { at }))).at, 'send');
  const seen = [];
  await playBy(scene, right, async (job) => seen.push(await job.pull()));
  await right.send(producer, { at });
  await until(() => seen.length === 1);
  assert.deepStrictEqual(seen, [{ at }]);
  await assert.rejects(right.send(producer, { at: 5n }), { code: 'PAYLOAD_NOT_JSON' });
  await assert.rejects(right.send(producer, { at, other: 1 }), { code: 'PAYLOAD_INVALID', message: /: other$/ });
});

ours('a missing value and null differ', async (_, scene) => {
  const contract = contractOf(scene, {
    payload: {
      a: z.string().nullable().optional(),
      b: z.string().nullable().default('b'),
      c: z.array(z.string()).optional(),
    },
  });
  const seen = [];
  await playBy(scene, contract, async (job) => seen.push(await job.pull()));
  const producer = scene.producer();
  await contract.send(producer, { a: null, b: null });
  await contract.send(producer, {}, { payload: 'entry' });
  await until(() => seen.length === 2);
  assert.deepStrictEqual(seen, [
    { a: null, b: null, c: undefined },
    { a: undefined, b: 'b', c: undefined },
  ]);
});

ours('a payload key can have the name of a property that every object has', async (_, scene) => {
  const payload = Object.fromEntries(['constructor', '__proto__', 'toString'].map((name) => [name, z.any()]));
  const contract = contractOf(scene, { payload });
  const seen = [];
  await playBy(scene, contract, async (job) => seen.push(Object.entries(await job.pull())));
  const producer = scene.producer();
  await contract.send(producer, {});
  await contract.send(producer, Object.fromEntries(Object.keys(payload).map((name) => [name, name])));
  await until(() => seen.length === 2);
  assert.deepStrictEqual(
    seen,
    [() => undefined, (name) => name].map((value) => Object.keys(payload).map((name) => [name, value(name)])),
  );
});

ours('an async schema is awaited on both sides', async (_, scene) => {
  const known = z.string().refine(async (name) => name !== 'nobody');
  const contract = contractOf(scene, { payload: { name: known } });
  const seen = [];
  await playBy(scene, contract, async (job) => seen.push(await job.pull('name')));
  const producer = scene.producer();
  await assert.rejects(contract.send(producer, { name: 'nobody' }), { code: 'PAYLOAD_INVALID' });
  await contract.send(producer, { name: 'ann' });
  await until(() => seen.length === 1);
  assert.deepStrictEqual(seen, [{ name: 'ann' }]);
});

ours('a received payload that is invalid is a dead letter at once, with the places of its faults', async (_, scene) => {
  const contract = contractOf(scene, { payload: { order: ITEM.zod, scan: { format: 'bytes' } } });
  const deadLetter = scene.name('dead');
  const consumer = scene.consumer({ deadLetter, claimInterval: 20, claimDeadline: 50, retryLimit: 5 });
  let runs = 0;
  const processor = async (job) => {
    runs++;
    await job.pull();
  };
  await playBy(scene, contract, processor, { consumer });
  const exhausted = [];
  consumer.on('exhausted', (entry) => exhausted.push(entry));
  const producer = scene.producer();
  // A producer without the contract.
  for (const [id, order] of Object.entries({
    wrong: JSON.stringify({ item: SECRET, count: SECRET }),
    broken: `{${SECRET}`,
  })) {
    const job = producer.job(id).set('order', Buffer.from(order)).set('scan', Buffer.from('x'));
    await producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
    const { [scene.group]: error } = await job.finished(8000);
    assert.deepStrictEqual([error.name, error.code, error.at], ['ContractError', 'PAYLOAD_INVALID', 'receive']);
  }
  const letters = await until(async () => {
    const found = await new DeadLetters(scene.connection, deadLetter).list();
    return found.length === 2 && found;
  });
  assert.deepStrictEqual(
    letters.map(({ jobId, reason, deliveries, error }) => [jobId, reason, deliveries, error.issues]),
    [
      ['wrong', 'unrecoverable', 1, [{ key: 'order', path: ['count'] }]],
      ['broken', 'unrecoverable', 1, [{ key: 'order', path: [] }]],
    ],
  );
  assert.ok(!JSON.stringify(letters).includes(SECRET));
  assert.deepStrictEqual([runs, exhausted.map(({ moved }) => moved)], [2, [true, true]]);
  assert.strictEqual(await scene.pending(), 0);
});

ours(
  'without deadLetter an invalid payload stays pending, is exhausted once and does not run again',
  async (_, scene) => {
    const contract = contractOf(scene, { payload: { order: ITEM.zod } });
    const consumer = scene.consumer({ claimInterval: 20, claimDeadline: 40, retryLimit: 5 });
    let runs = 0;
    await playBy(scene, contract, (job) => ++runs && job.pull(), { consumer });
    const exhausted = [];
    consumer.on('exhausted', (entry) => exhausted.push(entry));
    const producer = scene.producer();
    const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
    assert.strictEqual((await job.finished(8000))[scene.group].code, 'PAYLOAD_INVALID');
    await until(() => exhausted.length > 0);
    // Cycles of the consumer, in which the entry is old enough.
    const good = await contract.send(producer, { order: { item: 'tea' } }, { waitFor: [scene.group] });
    await good.finished(8000);
    await until(async () => (await consumer.stats()).resolved === 1);
    assert.deepStrictEqual([runs, exhausted.length, exhausted[0].moved], [2, 1, false]);
    assert.strictEqual(await scene.pending(), 1);
  },
);

ours('a result that does not fit is the error of the job, sets nothing, and the job is retried', async (_, scene) => {
  const contract = contractOf(scene, {
    payload: {},
    results: { [scene.group]: { total: z.number(), note: z.string().optional() } },
  });
  const returned = [{ total: SECRET, note: 'n' }, undefined, { total: 1, other: 2 }, { total: 7 }];
  const consumer = scene.consumer({ claimInterval: 10, claimDeadline: 20, retryLimit: 9 });
  await playBy(scene, contract, () => returned.shift(), { consumer });
  const producer = scene.producer();
  const sent = await contract.send(producer, {}, { waitFor: [scene.group] });
  const { [scene.group]: outcome } = await sent.finished(8000);
  assert.strictEqual(outcome.status, 'rejected');
  assert.deepStrictEqual([outcome.reason.code, outcome.reason.at], ['PAYLOAD_INVALID', 'answer']);
  await until(() => returned.length === 0);
  await until(async () => (await scene.pending()) === 0);
  assert.strictEqual(await scene.redis.call('GET', keys.payload(sent.id, 'total')), '7');
  assert.strictEqual(
    await scene.redis.call('EXISTS', keys.payload(sent.id, 'note'), keys.payload(sent.id, 'other')),
    0,
  );
});

ours('results of several groups are read together, and one that does not fit is rejected alone', async (_, scene) => {
  const other = scene.name('group');
  const contract = contractOf(scene, {
    payload: {},
    results: { [scene.group]: { a: z.number(), large: z.string() }, [other]: { b: z.number() } },
  });
  await playBy(scene, contract, async (job) => {
    await job.answer({ a: 1, large: 'x'.repeat(2000) });
    return 'without effect';
  });
  // A group of a program without the contract.
  const stranger = scene.consumer({ group: other });
  stranger.process({ stream: scene.stream, processor: async (job) => job.set('b', SECRET) });
  await stranger.play();
  const sent = await contract.send(scene.producer(), {}, { waitFor: [scene.group, other], durable: true });
  const first = await sent.finished(8000);
  await scene.redis.call('DEL', ...['a', 'large', 'b'].map((key) => keys.payload(sent.id, key)));
  for (const outcomes of [first, await sent.finished()]) {
    assert.deepStrictEqual(outcomes[scene.group].value, { a: 1, large: 'x'.repeat(2000) });
    assert.strictEqual(outcomes[other].status, 'rejected');
    assert.deepStrictEqual(
      [outcomes[other].reason.at, outcomes[other].reason.issues],
      ['result', [{ key: 'b', path: [] }]],
    );
  }
});

ours('jobs of a batch have a contract too', async (_, scene) => {
  const contract = contractOf(scene, {
    payload: { n: z.number() },
    results: { [scene.group]: { square: z.number() } },
  });
  const processor = async (jobs) => {
    for (const job of jobs) {
      const { n } = await job.pull();
      await job.answer({ square: n * n });
    }
  };
  const consumer = scene.consumer({ concurrency: 3 });
  await playBy(scene, contract, processor, { consumer, batch: { size: 3, wait: 1000 } });
  const sends = [1, 2, 3].map((n) => ({ values: { n }, jobId: `job-${n}`, waitFor: [scene.group] }));
  const jobs = await contract.sendAll(scene.producer(), sends, { atomic: true });
  assert.deepStrictEqual(
    jobs.map(({ id }) => id),
    ['job-1', 'job-2', 'job-3'],
  );
  const outcomes = await Promise.all(jobs.map((job) => job.finished(8000)));
  assert.deepStrictEqual(
    outcomes.map((outcome) => outcome[scene.group].value.square),
    [1, 4, 9],
  );
});

ours('sendAll() sends nothing if one payload is invalid, and names its index', async (_, scene) => {
  const contract = contractOf(scene, { payload: { n: z.number() } });
  const producer = scene.producer();
  const error = await failure(contract.sendAll(producer, [{ values: { n: 1 } }, { values: { n: SECRET } }]));
  assert.deepStrictEqual([error.code, error.index], ['PAYLOAD_INVALID', 1]);
  assert.strictEqual(await scene.length(), 0);
  await assert.rejects(contract.sendAll(producer, 5), TypeError);
});

ours('a check that is off lets values pass, but not a value that is no JSON', async (_, scene) => {
  const contract = contractOf(scene, { payload: { n: z.number().default(5) }, check: 'off' });
  const strict = contractOf(scene, { payload: { n: z.number() }, check: { receive: 'on', send: 'off' } });
  const seen = [];
  await playBy(scene, contract, async (job) => seen.push(await job.pull()));
  const producer = scene.producer();
  await contract.send(producer, { n: 'text' });
  await strict.send(producer, {});
  await until(() => seen.length === 2);
  assert.deepStrictEqual(seen, [{ n: 'text' }, { n: undefined }]);
  const job = await producer.send({
    stream: scene.stream,
    job: producer.job().set('n', Buffer.from('{')),
    waitFor: [scene.group],
  });
  assert.strictEqual((await job.finished(8000))[scene.group].code, 'PAYLOAD_INVALID');
});

test("check 'tests' is on in a process for tests only", () => {
  const { execFileSync } = require('node:child_process');
  const program = `
    const { ConnectionManager, Producer, defineStream } = require('./index.js');
    const contract = defineStream({ name: 's', check: 'tests', payload: { k: {
      '~standard': { version: 1, vendor: 'v', validate: () => ({ issues: [{ message: '' }] }) } } } });
    const producer = new Producer(ConnectionManager.standalone({ lazyConnect: true }));
    producer.send = async ({ job }) => job;
    contract.send(producer, { k: 1 })
      .then(() => console.log('off'), ({ code }) => console.log(code));`;
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const mode = (variables) =>
    execFileSync(process.execPath, ['-e', program], {
      cwd: `${__dirname}/../..`,
      env: { ...env, ...variables },
      encoding: 'utf8',
    }).trim();
  assert.strictEqual(mode({}), 'off');
  for (const variables of [{ NODE_ENV: 'test' }, { VITEST: 'true' }, { NODE_TEST_CONTEXT: 'child' }]) {
    assert.strictEqual(mode(variables), 'PAYLOAD_INVALID');
  }
});

ours('answer() after the settlement is an error', async (_, scene) => {
  const contract = contractOf(scene, { payload: {}, results: { [scene.group]: { n: z.number() } } });
  const errors = [];
  await playBy(scene, contract, async (job) => {
    assert.ok(!job.signal.aborted && job.job instanceof Job);
    await job.answer({ n: 1 });
    await job.job.resolve();
    errors.push(await failure(job.answer({ n: 2 })));
  });
  const sent = await contract.send(scene.producer(), {}, { waitFor: [scene.group] });
  assert.strictEqual((await sent.finished(8000))[scene.group].value.n, 1);
  await until(() => errors.length === 1);
  assert.strictEqual(errors[0].code, 'JOB_SETTLED');
});

ours('invalid definitions and calls are named errors', async (_, scene) => {
  const key = z.string();
  const definitions = [
    [{ payload: {} }, /^TypeError: name must/],
    [{ name: 's' }, /^TypeError: payload must/],
    [{ name: 's', payload: { k: {} } }, /^TypeError: The payload key 'k' needs a schema/],
    [{ name: 's', payload: { k: 'string' } }, /^TypeError: The payload key 'k' must be/],
    [{ name: 's', payload: { k: { '~standard': { version: 2 } } } }, /'k' needs a schema/],
    [{ name: 's', payload: { k: { schema: key, format: 'xml' } } }, /^TypeError: The format of 'k'/],
    [{ name: 's', payload: { k: { schema: key, format: 'bytes' } } }, /'k' needs a schema/],
    [{ name: 's', payload: { k: { schema: key, timeout: -5 } } }, /^RangeError: The timeout of 'k'/],
    [{ name: 's', payload: { k: key }, check: 'maybe' }, /^TypeError: check must/],
    [{ name: 's', payload: { k: key }, check: { send: 5 } }, /^TypeError: check.send must/],
    [{ name: 's', payload: { k: key }, results: { g: { k: key } } }, /'k' is declared twice, for 'payload' and 'g'/],
    [{ name: 's', payload: {}, results: { g: { k: key }, h: { k: key } } }, /declared twice, for 'g' and 'h'/],
  ];
  for (const [definition, expected] of definitions) assert.throws(() => defineStream(definition), expected);
  const contract = contractOf(scene, { payload: { k: key }, results: { other: {} } });
  const [producer, consumer] = [scene.producer(), scene.consumer()];
  const processor = () => {};
  assert.throws(() => contract.process(consumer, { group: 'other', processor }), /group must be that of the consumer/);
  assert.throws(() => contract.process(consumer, { group: scene.group, processor }), /has no group/);
  assert.throws(() => contract.process(producer, { group: scene.group, processor }), /consumer must be a Consumer/);
  assert.throws(() => contract.process(consumer, { group: scene.group }), /processor must be a function/);
  await assert.rejects(contract.send(producer, { k: 'v' }, { waitFor: ['nobody'] }), /has no group 'nobody'/);
  await assert.rejects(contract.send(producer, { k: 'v' }, { waitFor: 'nobody' }), /waitFor must be an array/);
  for (const other of [consumer, undefined, { job: () => {} }]) {
    await assert.rejects(contract.send(other, { k: 'v' }), /producer must be a Producer/);
  }
  await assert.rejects(contract.send(producer), /values must be an object/);
  await assert.rejects((await contract.send(producer, { k: 'v' })).finished(), /finished\(\) needs waitFor/);
  assert.strictEqual(await scene.length(), 1);
});

fix('a contract pairs with producers and consumers of 2.2.0', async (_, scene) => {
  const original = require('hfxbus-original');
  const connection = original.ConnectionManager.standalone(scene.redis.options);
  scene.closing(() => connection.stop({ force: true }));
  const old = scene.name('group');
  const contract = contractOf(scene, {
    payload: { order: ITEM.zod, scan: { format: 'bytes' } },
    results: { [scene.group]: { total: z.number() }, [old]: { weight: z.number() } },
  });
  const seen = [];
  await playBy(scene, contract, async (job) => {
    seen.push(await job.pull());
    return { total: 5 };
  });
  const consumer = new original.Consumer(connection, { group: old });
  consumer.process({
    stream: scene.stream,
    processor: async (job) => {
      seen.push(await job.get('order', false).get('scan').pull());
      await job.set('weight', 7).push();
    },
  });
  await consumer.play();
  const values = { order: { item: 'tea', count: 2 }, scan: Buffer.from([0, 255]) };
  const sent = await contract.send(scene.producer(), values, { waitFor: [scene.group, old] });
  const outcomes = await sent.finished(8000);
  assert.deepStrictEqual([outcomes[scene.group].value, outcomes[old].value], [{ total: 5 }, { weight: 7 }]);
  const producer = new original.Producer(connection);
  await producer.listen();
  const job = producer.job();
  await job.set('order', values.order).set('scan', values.scan).push();
  await producer.send({ stream: scene.stream, job, waitFor: [scene.group, old] });
  await job.finished(8000);
  assert.deepStrictEqual(await job.get('total', false).get('weight', false).pull(), { total: 5, weight: 7 });
  assert.deepStrictEqual(seen, [values, values, values, values]);
  await consumer.pause(2000);
});
