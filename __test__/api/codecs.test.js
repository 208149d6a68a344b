'use strict';

/* useCodec(): values that are encoded by set() and decoded by pull(), such as by compression and encryption. */

const assert = require('node:assert');
const { createCipheriv, createDecipheriv, randomBytes } = require('node:crypto');
const { inspect } = require('node:util');
const { gunzipSync, gzipSync } = require('node:zlib');
const z = require('zod');
const { DeadLetters, defineStream } = require('../../index.js');
const { fix, ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const SECRET = 'attack at dawn';
const MARK = Buffer.from('\0hfxbus:');

const gzip = { name: 'gzip', encode: (value) => gzipSync(value), decode: (value) => gunzipSync(value) };

/** AES-256-GCM, with the id of the job and the key as additional data. */
function cipher(name = 'aes', secret = randomBytes(32)) {
  const about = ({ jobId, key }) => Buffer.from(`${jobId}:${key}`);
  return {
    name,
    encode(value, context) {
      const nonce = randomBytes(12);
      const encryption = createCipheriv('aes-256-gcm', secret, nonce).setAAD(about(context));
      return Buffer.concat([nonce, encryption.update(value), encryption.final(), encryption.getAuthTag()]);
    },
    decode(value, context) {
      const decryption = createDecipheriv('aes-256-gcm', secret, value.subarray(0, 12)).setAAD(about(context));
      decryption.setAuthTag(value.subarray(-16));
      return Buffer.concat([decryption.update(value.subarray(12, -16)), decryption.final()]);
    },
  };
}

/** A consumer with codecs that plays. */
async function playWith(scene, codecs, processor, { prefetch, batch, ...options } = {}) {
  const consumer = scene.consumer({ concurrency: 2, ...options });
  for (const codec of codecs) consumer.useCodec(codec);
  consumer.process({ stream: scene.stream, processor, prefetch, batch });
  await consumer.play();
  return consumer;
}

/** Sends a job. @returns its outcome for the group of the case */
async function outcome(scene, producer, job, options = {}) {
  const sent = await producer.send({ stream: scene.stream, job, waitFor: [scene.group], ...options });
  return (await sent.finished(8000))[scene.group];
}

/** Returns everything that Redis has, as one text. */
async function contentOf(scene) {
  const names = await scene.redis.call('KEYS', '*');
  const texts = names.map(async (name) => {
    const isStream = (await scene.redis.call('TYPE', name)) === 'stream';
    return JSON.stringify(
      isStream ? await scene.redis.call('XRANGE', name, '-', '+') : await scene.redis.call('GET', name),
    );
  });
  return (await Promise.all(texts)).join('\n');
}

const WAYS = {
  'carried by the entry': { options: {} },
  'in keys': { options: { carry: false } },
  'in keys that are prefetched': { options: { carry: false }, prefetch: ['json', 'bytes', 'large'] },
  'in the entry alone': { options: { payload: 'entry' } },
};

for (const [way, { options, prefetch }] of Object.entries(WAYS)) {
  ours(`values ${way} are encoded in Redis and read as they were set, and so is the answer`, async (_, scene) => {
    const codecs = [gzip, cipher()];
    const values = {
      json: { text: SECRET },
      bytes: Buffer.from(SECRET),
      large: `${SECRET} `.repeat(20_000),
      none: undefined,
    };
    const seen = [];
    const processor = async (job) => {
      seen.push(await job.get('json', false).get('bytes').get('large', false).get('none', false).get('other').pull());
      job.set('answer', { again: SECRET }).set('raw', Buffer.from(SECRET));
    };
    await playWith(scene, codecs, processor, { prefetch });
    const producer = scene.producer();
    for (const codec of codecs) assert.strictEqual(producer.useCodec(codec), producer);
    const monitor = await scene.monitor();
    const job = producer.job();
    for (const [key, value] of Object.entries(values)) job.set(key, value);
    const returns = { returns: ['answer', 'raw'] };
    assert.ok((await outcome(scene, producer, job, { ...options, ...returns })) instanceof Date);
    assert.deepStrictEqual(seen, [{ ...values, none: null, other: null }]);
    const answer = await job.get('answer', false).get('raw').pull();
    assert.deepStrictEqual(answer, { answer: { again: SECRET }, raw: Buffer.from(SECRET) });
    assert.ok(!(await contentOf(scene)).includes(SECRET));
    assert.ok(!inspect(monitor, { depth: 9, maxArrayLength: null, maxStringLength: null }).includes(SECRET));
  });
}

for (const [way, { options, prefetch }] of Object.entries(WAYS)) {
  ours(
    `a consumer without the codec gets a named error for values ${way}, and one with it runs the job`,
    async (_, scene) => {
      const producer = scene.producer().useCodec(gzip);
      const errors = [];
      const processor = async (job) => {
        for (const asBuffer of [false, true]) {
          const reading = job.get(asBuffer ? 'bytes' : 'json', asBuffer).pull();
          await reading.catch((error) => errors.push(error));
        }
        // The read that failed is over.
        assert.deepStrictEqual(await job.get('missing').pull(), { missing: null });
        throw errors[0];
      };
      const plain = await playWith(scene, [], processor, { prefetch, claimInterval: 0 });
      const job = producer.job().set('json', { text: SECRET }).set('bytes', Buffer.from(SECRET));
      const error = await outcome(scene, producer, job, options);
      assert.deepStrictEqual([error.code, error.codec, error.key], ['PAYLOAD_CODEC_MISSING', 'gzip', 'json']);
      assert.deepStrictEqual(
        errors.map(({ code, key }) => [code, key]),
        [
          ['PAYLOAD_CODEC_MISSING', 'json'],
          ['PAYLOAD_CODEC_MISSING', 'bytes'],
        ],
      );
      await plain.pause(5000);
      const seen = [];
      const read = async (received) => seen.push(await received.get('json', false).get('bytes').pull());
      await playWith(scene, [gzip], read, { claimInterval: 10, claimDeadline: 10 });
      await until(() => seen.length === 1);
      assert.deepStrictEqual(seen, [{ json: { text: SECRET }, bytes: Buffer.from(SECRET) }]);
    },
  );
}

ours('a codec has the job and the key, can leave a value as it is, and can be for some keys', async (_, scene) => {
  const contexts = [];
  const own = {
    name: 'own-1.0',
    encode(value, context) {
      contexts.push(context);
      assert.ok(this === own && value instanceof Uint8Array);
      return value.length > 10 ? new Uint8Array(value.map((byte) => byte ^ 255)) : null;
    },
    decode: (value) => value.map((byte) => byte ^ 255),
  };
  const producer = scene.producer().useCodec(own, { keys: ['short', 'long'] });
  const consumer = scene.consumer().useCodec(own, { encode: false });
  const seen = [];
  consumer.process({
    stream: scene.stream,
    processor: async (job) => {
      seen.push(await job.get('short', false).get('long', false).get('other', false).pull());
      job.set('long', 'a plain answer');
    },
  });
  await consumer.play();
  const job = producer.job('j').set('short', 'x').set('long', 'long enough').set('other', 'also long enough');
  await outcome(scene, producer, job);
  assert.deepStrictEqual(seen, [{ short: 'x', long: 'long enough', other: 'also long enough' }]);
  assert.deepStrictEqual(
    contexts,
    ['short', 'long'].map((key) => ({ jobId: 'j', key })),
  );
  assert.strictEqual(await scene.redis.call('GET', keys.payload('j', 'short')), '"x"');
  assert.strictEqual(await scene.redis.call('GET', keys.payload('j', 'other')), '"also long enough"');
  assert.strictEqual(await scene.redis.call('GET', keys.payload('j', 'long')), '"a plain answer"');
  assert.deepStrictEqual(await job.get('long', false).pull(), { long: 'a plain answer' });
});

ours('a value that was replaced, or encoded with another secret, is an error without its content', async (_, scene) => {
  const [mine, other] = [cipher(), cipher()];
  const producer = scene.producer().useCodec(mine);
  const stranger = scene.producer().useCodec(other);
  await stranger.job('theirs').set('k', SECRET).push();
  await producer.job('mine').set('k', SECRET).set('other', SECRET).push();
  const reader = (id) => producer.job(id).get('k', false).pull();
  await assert.rejects(reader('theirs'), (error) => {
    assert.deepStrictEqual([error.code, error.codec, error.key], ['PAYLOAD_CODEC_FAILED', 'aes', 'k']);
    return error.cause instanceof Error && !inspect(error).includes(SECRET);
  });
  assert.deepStrictEqual(await reader('mine'), { k: SECRET });
  const client = scene.connection.getClient('intruder');
  const move = async (from, to) => client.set(to, await client.getBuffer(from));
  await move(keys.payload('mine', 'other'), keys.payload('mine', 'k'));
  await assert.rejects(reader('mine'), { code: 'PAYLOAD_CODEC_FAILED' });
  await producer.job('mine').set('k', SECRET).push();
  await move(keys.payload('mine', 'k'), keys.payload('third', 'k'));
  await assert.rejects(reader('third'), { code: 'PAYLOAD_CODEC_FAILED' });
});

ours('pull() does not remove a value that it could not decode', async (_, scene) => {
  const [mine, other] = [cipher(), cipher()];
  const producer = scene.producer().useCodec(mine);
  const stranger = scene.producer().useCodec(other);
  await producer.job('j').set('k', SECRET).push();
  await assert.rejects(stranger.job('j').get('k').del('k').pull(), { code: 'PAYLOAD_CODEC_FAILED' });
  assert.deepStrictEqual(await producer.job('j').get('k', false).get('no').del('k').pull(), { k: SECRET, no: null });
  assert.deepStrictEqual(await producer.job('j').get('k', false).del('k').pull(), { k: null });
});

ours('a required codec refuses plain values, which are dead letters, and runs others', async (_, scene) => {
  const aes = cipher();
  const deadLetter = scene.name('dead');
  const consumer = scene.consumer({ deadLetter }).useCodec(aes, { required: true, keys: ['k'] });
  const seen = [];
  const processor = async (job) => seen.push(await job.get('k', false).get('note', false).pull());
  consumer.process({ stream: scene.stream, processor });
  await consumer.play();
  const plain = scene.producer();
  const error = await outcome(scene, plain, plain.job('plain').set('k', SECRET));
  assert.deepStrictEqual([error.code, error.codec, error.key], ['PAYLOAD_NOT_CODED', 'aes', 'k']);
  const letters = await new DeadLetters(scene.connection, deadLetter).list();
  assert.deepStrictEqual(
    letters.map(({ jobId, error: { code } }) => [jobId, code]),
    [['plain', 'PAYLOAD_NOT_CODED']],
  );
  const producer = scene.producer().useCodec(aes, { keys: ['k'] });
  assert.ok((await outcome(scene, producer, producer.job().set('k', SECRET).set('note', 'n'))) instanceof Date);
  assert.deepStrictEqual(seen, [{ k: SECRET, note: 'n' }]);
});

ours('a replayed dead letter has its encoded values', async (_, scene) => {
  const deadLetter = scene.name('dead');
  const seen = [];
  let isBroken = true;
  const processor = async (job) => {
    if (isBroken) throw Object.assign(new Error('broken'), { retry: false });
    seen.push(await job.get('k', false).get('b').pull());
  };
  await playWith(scene, [gzip, cipher('aes', Buffer.alloc(32))], processor, { deadLetter });
  const producer = scene
    .producer()
    .useCodec(gzip)
    .useCodec(cipher('aes', Buffer.alloc(32)));
  const job = producer.job().set('k', SECRET).set('b', Buffer.from(SECRET));
  assert.strictEqual((await outcome(scene, producer, job, { payload: 'entry' })).message, 'broken');
  const letters = new DeadLetters(scene.connection, deadLetter);
  const [letter] = await letters.list();
  isBroken = false;
  await letters.replay(letter);
  await until(() => seen.length === 1);
  assert.deepStrictEqual(seen, [{ k: SECRET, b: Buffer.from(SECRET) }]);
});

ours('bytes that look like an encoded value stay what they are', async (_, scene) => {
  const producer = scene.producer().useCodec(gzip, { encode: false });
  for (const end of ['gzip\0x', '\0', '', 'gzip', 'x'.repeat(100)]) {
    const bytes = Buffer.concat([MARK, Buffer.from(end)]);
    await producer.job('j').set('k', bytes).push();
    assert.deepStrictEqual(await producer.job('j').get('k').pull(), { k: bytes });
  }
  // Without a codec they are not wrapped, and a reader refuses them.
  const plain = scene.producer();
  for (let length = 0; length < MARK.length; length++) {
    const bytes = MARK.subarray(0, length);
    await plain.job('j').set('k', bytes).push();
    for (const one of [plain, producer]) assert.deepStrictEqual(await one.job('j').get('k').pull(), { k: bytes });
  }
  for (const end of ['gzip\0x', '', 'gzip', 'x'.repeat(100)]) {
    await plain
      .job('j')
      .set('k', Buffer.concat([MARK, Buffer.from(end)]))
      .push();
    await assert.rejects(plain.job('j').get('k').pull(), { code: 'PAYLOAD_CODEC_MISSING' });
    await assert.rejects(plain.job('j').get('k', false).pull(), { code: 'PAYLOAD_CODEC_MISSING' });
    await assert.rejects(producer.job('j').get('k').pull(), (error) => /^PAYLOAD_CODEC_/.test(error.code));
  }
  // Layers beyond any that an encoder makes.
  const layers = Buffer.concat(Array(50).fill(Buffer.concat([MARK, Buffer.from('same\0')])));
  const same = scene.producer().useCodec({ name: 'same', encode: (value) => value, decode: (value) => value });
  await plain.job('j').set('k', layers).push();
  await assert.rejects(same.job('j').get('k').pull(), { code: 'PAYLOAD_CODEC_FAILED' });
});

ours('invalid codecs, and codecs that fail, are named errors', async (_, scene) => {
  const [encode, decode] = [() => {}, () => {}];
  const targets = [scene.producer(), scene.consumer()];
  const invalid = [
    [undefined, /codec.name must/],
    [{ name: 'a b', encode, decode }, /codec.name must/],
    [{ name: 'x'.repeat(33), encode, decode }, /codec.name must/],
    [{ name: 'a', decode }, /codec.encode must/],
    [{ name: 'a', encode }, /codec.decode must/],
    ['gzip', /codec must be an object/],
  ];
  for (const target of targets) {
    for (const [codec, message] of invalid) assert.throws(() => target.useCodec(codec), { name: 'TypeError', message });
    target.useCodec(gzip);
    assert.throws(() => target.useCodec(gzip), /^TypeError: A codec 'gzip' is there already/);
    assert.throws(() => target.useCodec({ ...gzip, name: 'b' }, { keys: 'k' }), /^TypeError: keys must/);
  }
  const failing = { name: 'failing', encode: () => 'text', decode: () => [] };
  const producer = scene.producer().useCodec(failing);
  assert.throws(() => producer.job().set('k', SECRET), { code: 'PAYLOAD_CODEC_FAILED', codec: 'failing', key: 'k' });
  failing.encode = (value) => value;
  await producer.job('j').set('k', 1).push();
  await assert.rejects(producer.job('j').get('k').pull(), { code: 'PAYLOAD_CODEC_FAILED' });
});

ours('codecs, contracts, middleware and batches work together', async (_, scene) => {
  const contract = defineStream({
    name: scene.stream,
    payload: { order: z.object({ item: z.string() }), scan: { format: 'bytes' } },
    results: { [scene.group]: { total: z.number() } },
  });
  const [aes, text] = [cipher(), `${SECRET}, all of us`];
  const consumer = scene.consumer({ concurrency: 2 }).useCodec(aes);
  const seen = [];
  consumer.use(async (_job, next, { headers }) => {
    seen.push(headers.tenant);
    return next();
  });
  const processor = async (jobs) => {
    for (const job of jobs) {
      seen.push(await job.pull());
      await job.answer({ total: 1 });
    }
  };
  contract.process(consumer, { group: scene.group, batch: { size: 2, wait: 20_000 }, processor });
  await consumer.play();
  const producer = scene.producer().useCodec(aes);
  producer.use((_job, next, { headers }) => {
    headers.tenant = 'acme';
    return next();
  });
  const values = { order: { item: text }, scan: Buffer.from(text) };
  const sends = [1, 2].map(() => ({ values, waitFor: [scene.group] }));
  const jobs = await contract.sendAll(producer, sends, { atomic: true });
  const outcomes = await Promise.all(jobs.map((job) => job.finished(8000)));
  assert.deepStrictEqual(
    outcomes.map((one) => one[scene.group].value),
    [{ total: 1 }, { total: 1 }],
  );
  assert.deepStrictEqual(seen, ['acme', 'acme', values, values]);
  assert.ok(!(await contentOf(scene)).includes(text));
});

ours('values with codecs, and answers, are on several nodes as on one', async (_, scene) => {
  const connection = scene.partition(await scene.nodes());
  const codecs = [gzip, cipher()];
  const consumer = scene.consumer({ delOnSettle: true }, connection);
  const seen = [];
  const processor = async (job) => {
    seen.push(await job.get('k', false).get('b').del('k').pull());
    job.set('answer', SECRET);
  };
  await consumer.process({ stream: scene.stream, processor });
  const producer = scene.producer(connection);
  for (const codec of codecs) {
    producer.useCodec(codec);
    consumer.useCodec(codec);
  }
  await consumer.play();
  // The consumer reads the node of its group.
  const job = producer.job().set('k', SECRET).set('b', Buffer.from(SECRET));
  assert.ok((await outcome(scene, producer, job, { route: scene.group, returns: ['answer'] })) instanceof Date);
  assert.deepStrictEqual(seen, [{ k: SECRET, b: Buffer.from(SECRET) }]);
  assert.deepStrictEqual(await job.get('answer', false).pull(), { answer: SECRET });
  // The key is on another server than the stream, whose completion does not wait for its removal.
  await until(async () => (await job.get('k', false).pull()).k === null);
});

fix('2.2.0 reads the form of an encoded value, and its own values are read beside it', async (_, scene) => {
  const seen = [];
  const consumer = await scene.playOriginal(async (job) => {
    seen.push(await job.get('json', false).get('bytes').get('plain', false).pull());
    await job.set('answer', 'of 2.2.0').push();
  });
  const producer = scene.producer().useCodec(gzip, { keys: ['json', 'bytes'] });
  const job = producer.job().set('json', { a: 1 }).set('bytes', Buffer.from('b')).set('plain', { c: 3 });
  assert.ok((await outcome(scene, producer, job)) instanceof Date);
  assert.deepStrictEqual(await job.get('answer', false).pull(), { answer: 'of 2.2.0' });
  const [{ json, bytes, plain }] = seen;
  assert.ok(json instanceof SyntaxError, inspect(json));
  assert.ok(bytes.subarray(0, MARK.length).equals(MARK), inspect(bytes));
  assert.deepStrictEqual(plain, { c: 3 });
  await consumer.pause(2000);
});
