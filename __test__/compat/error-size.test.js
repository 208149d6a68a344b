'use strict';

const assert = require('node:assert');
const { request } = require('node:http');
const { fix } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** The most bytes that the JSON of an error may take. */
const LARGEST = 16 * 1024;
/** Ways to reach a property that a test may see before it is certain that the work is not bounded. */
const MOST_READS = 100_000;

const error = (properties, message = 'm') => Object.assign(new TypeError(message), { code: 'CODE', ...properties });

function nested(depth, wrap) {
  let value = { x: 1 };
  for (let level = 0; level < depth; level++) value = wrap(value);
  return value;
}

/** The error of an HTTP client. */
function ofHttp() {
  const asked = request({ host: '127.0.0.1', port: 1, path: '/path' }).on('error', () => {});
  asked.destroy();
  const response = { status: 500, headers: { server: 'x' }, data: Buffer.alloc(3_000_000, 200), request: asked };
  const thrown = error({
    config: { url: 'http://127.0.0.1:1/path', data: 'd'.repeat(100_000) },
    request: asked,
    response,
  });
  thrown.response.config = thrown.config;
  return thrown;
}

/** Errors, and what their publications hold beside the name, the message and the code. */
const LARGE = {
  'with 3 MB of bytes': [() => error({ data: Buffer.alloc(3_000_000, 200) }), { data: '[Buffer: 3000000 bytes]' }],
  'of an HTTP client': [
    ofHttp,
    ({ response, config }) => [response.status, config.url].join() === '500,http://127.0.0.1:1/path',
  ],
  'whose references are shared on 20 levels': [() => error({ tree: nested(20, (o) => ({ a: o, b: o })) }), {}],
  'of 20,000 levels': [() => error({ deep: nested(20_000, (a) => ({ a })) }), ({ deep }) => 'a' in deep],
  'with 20,000 causes': [
    () => error({ cause: nested(20_000, (cause) => Object.assign(new Error('inner'), { cause })) }),
    ({ cause }) => cause.message === 'inner',
  ],
  'with 10,000 errors': [
    () => error({ errors: Array.from({ length: 10_000 }, (_, at) => new RangeError(`e${at}`)) }),
    ({ errors }) => errors[0].message === 'e0' && errors[0].name === 'RangeError' && errors.at(-1) === '[Truncated]',
  ],
  'with 3,000,000 numbers': [
    () => error({ list: new Array(3_000_000).fill(7) }),
    ({ list }) => list[0] === 7 && list.at(-1) === '[Truncated]',
  ],
  'with a text of 3 MB': [() => error({ body: 'b'.repeat(3_000_000), last: 'kept' }), { last: 'kept' }],
  'with a stack of 3 MB': [() => error({ stack: 's'.repeat(3_000_000), last: 'kept' }), { last: 'kept' }],
  'with a stack that leaves no room': [
    () => error({ stack: 's'.repeat(16_000), last: 'l'.repeat(9000) }),
    { last: 'l'.repeat(9000) },
  ],
  'with a name of a property of 1 MB': [() => error({ ['k'.repeat(1_000_000)]: 1, last: 'kept' }), { last: 'kept' }],
  'with bytes behind a proxy': [
    () => error({ data: new Proxy(Buffer.alloc(3_000_000, 200), {}), last: 'kept' }),
    { last: 'kept' },
  ],
};

const sparse = { 8192: 'kept', 9000: 'kept', name: 'N', more: { 0: 'kept' } };

/** Values that are no errors, and their publications. */
const OTHERS = {
  'a text of 3 MB': [() => 't'.repeat(3_000_000), /^t{16000,}… \[Truncated\]$/],
  'a text of 1,000,000 characters outside the BMP': [() => '😀'.repeat(1_000_000), /^(?:😀){4000,}… \[Truncated\]$/u],
  '3 MB of bytes': [() => Buffer.alloc(3_000_000), /^\[Buffer: 3000000 bytes\]$/],
  'a number of 30,000 digits': [() => 10n ** 30_000n, /^10{16000,}… \[Truncated\]$/],
  'a function with a name of 1 MB': [
    () => Object.defineProperty(() => {}, 'name', { value: 'f'.repeat(1_000_000) }),
    /^\[Function: f{16000,}… \[Truncated\]$/,
  ],
};

/** Returns the published error of a failed job. */
async function published(scene, thrown) {
  const heard = await scene.hear(keys.channel(scene.stream, '*'));
  await scene.play(async () => {
    throw thrown;
  });
  await scene.add('J');
  const [{ message }] = await until(() => heard.length > 0 && heard);
  const { err, ...rest } = JSON.parse(message);
  assert.deepStrictEqual(rest, { str: scene.stream, grp: scene.group, job: 'J' });
  assert.ok(Buffer.byteLength(JSON.stringify(err)) <= LARGEST, `${Buffer.byteLength(message)} bytes`);
  return err;
}

for (const [kind, [make, expected]] of Object.entries(LARGE)) {
  fix(`B.6 an error ${kind} is published in 16 KiB, with its name, message and code`, async (_, scene) => {
    const err = await published(scene, make());
    assert.deepStrictEqual([err.name, err.message, err.code], ['TypeError', 'm', 'CODE']);
    if (typeof expected === 'function') assert.ok(expected(err), JSON.stringify(err));
    else for (const [key, value] of Object.entries(expected)) assert.deepStrictEqual(err[key], value);
    assert.strictEqual(err.truncated, kind === 'with 3 MB of bytes' ? undefined : true);
    assert.strictEqual(typeof err.stack, 'string');
  });
}

for (const [kind, [make, expected]] of Object.entries(OTHERS)) {
  fix(`B.6 ${kind} as an error is published in 16 KiB`, async (_, scene) => {
    assert.match(await published(scene, make()), expected);
  });
}

fix('B.6 a message of 3 MB is cut, and the stack still shows the place', async (_, scene) => {
  const { message, stack, truncated } = await published(scene, error({}, 'm'.repeat(3_000_000)));
  assert.match(message, /^m{8000,}… \[Truncated\]$/);
  assert.match(stack, /^TypeError: m{100,}… \[Truncated\]\n {4}at error .*error-size\.test\.js/);
  assert.strictEqual(truncated, true);
});

fix('B.6 an error that fits is published whole, to the last byte', async (_, scene) => {
  const rest = { code: 'CODE', filling: '', name: 'TypeError', message: 'é', stack: 's' };
  const filling = 'f'.repeat(LARGEST - Buffer.byteLength(JSON.stringify(rest)));
  const err = await published(scene, error({ stack: 's', filling }, 'é'));
  assert.deepStrictEqual([Buffer.byteLength(JSON.stringify(err)), err.filling], [LARGEST, filling]);
});

fix('B.6 properties whose names are numbers are kept', async (_, scene) => {
  const err = await published(scene, error({ sparse }));
  assert.deepStrictEqual([err.sparse, err.truncated], [sparse, undefined]);
});

fix('B.6 getters that return new objects without end are read a bounded number of times', async (_, scene) => {
  let reads = 0;
  const endless = () => {
    reads++;
    assert.ok(reads < MOST_READS);
    return Object.defineProperties(
      {},
      {
        left: { get: endless, enumerable: true },
        right: { get: endless, enumerable: true },
      },
    );
  };
  const err = await published(scene, error({ tree: endless() }));
  assert.deepStrictEqual([err.message, err.truncated], ['m', true]);
});

fix('B.6 an error that is too large is cut in the same way in the dead letters', async (_, scene) => {
  const deadLetter = scene.name('dead');
  const heard = await scene.hear(keys.channel(scene.stream, '*'));
  await scene.play(() => Promise.reject(error({ body: 'b'.repeat(3_000_000), retry: false })), { deadLetter });
  await scene.add('J');
  const letters = new scene.hfxbus.DeadLetters(scene.connection, deadLetter);
  const [letter] = await until(async () => {
    const found = await letters.list();
    return found.length > 0 && found;
  });
  await until(() => heard.length === 1);
  assert.deepStrictEqual(letter.error, JSON.parse(heard[0].message).err);
  assert.deepStrictEqual([letter.error.code, letter.error.truncated], ['CODE', true]);
});

fix('B.6 a large error loses no completion, of producers of both packages', async (_, scene) => {
  const redis = await scene.server();
  await redis.call('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1mb 0 0');
  const { group, stream } = scene;
  const connection = scene.connect(redis.options);
  await scene.play(
    async ({ id }) => {
      if (id.startsWith('large')) throw error({ data: Buffer.alloc(3_000_000, 200), body: 'b'.repeat(3_000_000) });
      if (id.startsWith('small')) throw new Error('small');
    },
    { connection, concurrency: 8 },
  );
  for (const hfxbus of [scene.hfxbus, require('hfxbus-original')]) {
    const manager = scene.adopt(hfxbus.ConnectionManager.standalone(redis.options));
    const producer = new hfxbus.Producer(manager);
    await producer.listen();
    const outcomes = ['large', 'small', 'good', 'large', 'small', 'good'].map(async (kind, at) => {
      const job = await producer.send({ stream, job: producer.job(`${kind}-${at}`), waitFor: [group] });
      const { [group]: outcome } = await job.finished(10_000);
      return outcome instanceof Date ? 'good' : `${outcome.message} ${outcome.code} ${outcome.data}`;
    });
    const large = 'm CODE [Buffer: 3000000 bytes]';
    const small = 'small undefined undefined';
    assert.deepStrictEqual(await Promise.all(outcomes), [large, small, 'good', large, small, 'good']);
  }
});
