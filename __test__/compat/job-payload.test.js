'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { freePort } = require('../support/redis-server.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** Both ways of sending what was stacked; what arrives must not depend on it. */
const WAYS = [true, false];

/** A job of a bus that sends in one of the ways. */
function jobOf(scene, enablePipelining = true, options = {}) {
  return scene.producer(scene.connect({ enablePipelining, ...options })).job();
}

/** Returns the bytes of a payload key in Redis. */
function stored(scene, job, key) {
  return scene.redis.callBuffer('GET', keys.payload(job.id, key));
}

for (const enablePipelining of WAYS) {
  const way = enablePipelining ? 'in one write' : 'one by one';

  keep(`B-001 set, get and del stack and chain, push and pull flush, ${way}`, async (_, scene) => {
    const job = jobOf(scene, enablePipelining);
    assert.strictEqual(job.set('a', 1), job);
    assert.strictEqual(job.get('a'), job);
    assert.strictEqual(job.del('a'), job);
    assert.strictEqual(await stored(scene, job, 'a'), null);
    await job.push();
    assert.strictEqual(String(await stored(scene, job, 'a')), '1');
    await job.set('b', { c: [null] }).push();
    assert.deepStrictEqual(await job.get('b', false).get('a', false).pull(), { a: 1, b: { c: [null] } });
    assert.strictEqual(await stored(scene, job, 'a'), null);
    assert.deepStrictEqual(await job.pull(), {});
  });

  keep(`B-006 a key of another type is missing from the result, and the others are there, ${way}`, async (_, scene) => {
    const job = jobOf(scene, enablePipelining);
    await scene.redis.call('RPUSH', keys.payload(job.id, 'list'), 'x');
    await job.set('a', 1).push();
    const pulled = await job.get('list', false).get('a', false).get('list').pull();
    assert.deepStrictEqual(Object.entries(pulled), [['a', 1]]);
  });

  keep(`B-008 with nothing stacked no command is sent, ${way}`, async (_, scene) => {
    const job = jobOf(scene, enablePipelining);
    await job.set('a', 1).push();
    const monitor = await scene.monitor();
    assert.strictEqual(await job.push(), undefined);
    assert.deepStrictEqual(await job.pull(), {});
    assert.deepStrictEqual(await job.del('a').pull(), {});
    assert.deepStrictEqual(await monitor.commands(), [['DEL', keys.payload(job.id, 'a')]]);
  });

  keep(`B-009 pull reads before it removes, in any order of the calls, ${way}`, async (_, scene) => {
    const job = jobOf(scene, enablePipelining);
    await job.set('a', 1).set('b', 2).push();
    const monitor = await scene.monitor();
    assert.deepStrictEqual(await job.del('a').get('a', false).del('b').get('b', false).pull(), { a: 1, b: 2 });
    const [a, b] = ['a', 'b'].map((key) => keys.payload(job.id, key));
    assert.deepStrictEqual(await monitor.commands(), [
      ['GET', a],
      ['GET', b],
      ['DEL', a],
      ['DEL', b],
    ]);
  });

  fix(`B-020 push rejects when Redis refuses one of the keys, and the others are written, ${way}`, async (_, scene) => {
    const server = await scene.server('--user', ...'default on nopass ~*:good* ~*:fine* +@all'.split(' '));
    const job = scene.producer(scene.connect({ ...server.options, enablePipelining })).job();
    await assert.rejects(job.set('good', 1).set('bad', 2).set('fine', 3).push(), {
      name: 'ReplyError',
      code: 'NOPERM',
      message: /^NOPERM/,
    });
    assert.deepStrictEqual(await job.get('good', false).get('fine', false).pull(), { good: 1, fine: 3 });
  });

  fix(`B-020 push and pull reject when there is no Redis, ${way}`, async (_, scene) => {
    const port = await freePort();
    const job = jobOf(scene, enablePipelining, { port, retryStrategy: () => null });
    await assert.rejects(job.set('a', 1).push(), { code: 'CONNECTION_CLOSED' });
    await assert.rejects(job.get('a').pull(), { code: 'CONNECTION_CLOSED' });
    await assert.rejects(job.del('a').pull(), { code: 'CONNECTION_CLOSED' });
  });

  fix(`B-020 push and pull reject when Redis refuses the password, ${way}`, async (_, scene) => {
    const server = await scene.server('--requirepass', 'right');
    for (const [password, code] of [
      [undefined, 'NOAUTH'],
      ['wrong', 'WRONGPASS'],
    ]) {
      const job = jobOf(scene, enablePipelining, { port: server.port, password });
      await assert.rejects(job.set('a', 1).push(), { name: 'ReplyError', code: /^(NOAUTH|WRONGPASS)$/ }, code);
      await assert.rejects(job.get('a').pull(), { name: 'ReplyError', code: /^(NOAUTH|WRONGPASS)$/ }, code);
    }
  });

  fix(`B-020 push rejects on a replica, ${way}`, async (_, scene) => {
    const server = await scene.server('--replicaof', '127.0.0.1', String(await freePort()));
    const job = jobOf(scene, enablePipelining, { port: server.port });
    await assert.rejects(job.set('a', 1).push(), { name: 'ReplyError', code: 'READONLY' });
    assert.deepStrictEqual(await job.get('a').pull(), { a: null });
  });
}

keep('B-001 a payload key is called {prefix}:job:{id}:{key}', async (_, scene) => {
  const job = new scene.hfxbus.Producer(scene.connect({ keyPrefix: 'pfx' })).job('J2');
  assert.strictEqual(job.prefix('a'), 'pfx:job:J2:a');
  await job.set('a', 1).push();
  assert.strictEqual(await scene.redis.call('GET', 'pfx:job:J2:a'), '1');
});

const WRITTEN = [
  ['a text', 'héllo', '"héllo"'],
  ['an empty text', '', '""'],
  ['a number', 1.5, '1.5'],
  ['null', null, 'null'],
  ['NaN', Number.NaN, 'null'],
  ['Infinity', Infinity, 'null'],
  ['a boolean', false, 'false'],
  ['an object', { a: [1, null], b: undefined }, '{"a":[1,null]}'],
  ['a Date', new Date(0), '"1970-01-01T00:00:00.000Z"'],
  ['half a surrogate pair', '\ud800', '"\\ud800"'],
  ['something with toJSON', { toJSON: () => ({ as: 'said' }) }, '{"as":"said"}'],
  ['undefined', undefined, ''],
  ['a function', () => {}, ''],
  ['a symbol', Symbol('s'), ''],
];

for (const [kind, value, text] of WRITTEN) {
  keep(`B-002 B-003 ${kind} is stored as ${text === '' ? 'nothing' : text}`, async (_, scene) => {
    const job = jobOf(scene);
    await job.set('k', value).push();
    assert.strictEqual(String(await stored(scene, job, 'k')), text);
  });
}

function nested(depth) {
  let value = {};
  for (let level = 0; level < depth; level++) value = { value };
  return value;
}

function cycle() {
  const value = {};
  value.self = value;
  return value;
}

const NOT_JSON = [
  [
    'a BigInt',
    TypeError,
    { count: 1n },
    /convert each BigInt, as with String\(\): Do not know how to serialize a BigInt$/,
  ],
  ['a cycle', TypeError, cycle(), /leave the cycle out: Converting circular structure to JSON/],
  ['what is nested too deep', RangeError, nested(100_000), /reduce its depth: Maximum call stack size exceeded$/],
];

for (const [kind, Class, value, reason] of NOT_JSON) {
  fix(`B-003 an error about ${kind} has its class, names the key, and says what to do`, async (_, scene) => {
    const job = jobOf(scene);
    const fails = (error) => {
      assert.deepStrictEqual(
        [error.constructor, error.code, error.cause.constructor],
        [Class, 'PAYLOAD_NOT_JSON', Class],
      );
      assert.ok(error.message.startsWith("The value of 'inbound' cannot be stored as JSON, "), error.message);
      return reason.test(error.message);
    };
    assert.throws(() => job.set('inbound', value), fails);
    await job.set('a', 1).push();
    assert.deepStrictEqual(await job.get('a', false).get('inbound').pull(), { a: 1, inbound: null });
  });
}

fix('B-003 a Promise as a value is rejected', async (_, scene) => {
  const message = "The value of 'inbound' is a Promise: await it";
  assert.throws(() => jobOf(scene).set('inbound', Promise.resolve(1)), {
    name: 'TypeError',
    message,
    code: 'PAYLOAD_NOT_JSON',
  });
});

keep('B-003 an error thrown by toJSON comes out of set() unchanged', async (_, scene) => {
  const mine = new Error('mine');
  const value = {
    toJSON() {
      throw mine;
    },
  };
  assert.throws(
    () => jobOf(scene).set('inbound', value),
    (error) => error === mine,
  );
});

keep('B-002 a Buffer is stored as its bytes, and read as a Buffer', async (_, scene) => {
  const job = jobOf(scene);
  const bytes = Buffer.from([0, 1, 255, 13, 10, 34]);
  await job.set('k', bytes).set('empty', Buffer.alloc(0)).push();
  assert.deepStrictEqual(await stored(scene, job, 'k'), bytes);
  const pulled = await job.get('k', true).get('empty', true).pull();
  assert.ok(Buffer.isBuffer(pulled.k));
  assert.deepStrictEqual(pulled, { k: bytes, empty: Buffer.alloc(0) });
});

keep('B-002 a large payload arrives unchanged', async (_, scene) => {
  const job = jobOf(scene);
  const bytes = Buffer.alloc(3_000_000, 'hfxbus\r\n$5\0');
  await job.set('bytes', bytes).set('text', 'é☃😀'.repeat(200_000)).push();
  const { bytes: back, text } = await job.get('bytes').get('text', false).pull();
  assert.ok(bytes.equals(back));
  assert.strictEqual(text, 'é☃😀'.repeat(200_000));
});

fix('B-002 an ArrayBuffer and every view of one are stored as the bytes they show', async (_, scene) => {
  const whole = new Uint8Array([9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 255, 254, 253, 252, 251, 250]).buffer;
  const views = {
    bytes: new Uint8Array(whole, 3, 5),
    clamped: new Uint8ClampedArray(whole, 1, 1),
    signed: new Int8Array(whole),
    words: new Uint16Array(whole, 2, 3),
    floats: new Float64Array(whole, 8, 1),
    bigs: new BigInt64Array(whole, 0, 2),
    data: new DataView(whole, 4, 6),
    none: new Uint8Array(whole, 3, 0),
  };
  const job = jobOf(scene);
  for (const [key, view] of Object.entries(views)) job.set(key, view);
  await job.set('buffer', whole).push();
  for (const [key, { byteOffset, byteLength }] of Object.entries(views)) {
    const expected = Buffer.from(whole, byteOffset, byteLength);
    assert.deepStrictEqual(await stored(scene, job, key), expected, key);
  }
  assert.deepStrictEqual(await stored(scene, job, 'buffer'), Buffer.from(whole));
});

fix('B-002 bytes are stored as they were at set(), despite later changes', async (_, scene) => {
  const job = jobOf(scene);
  for (const size of [10, 1_000_000]) {
    const bytes = Buffer.alloc(size, 'a');
    const pushed = job.set(`k${size}`, bytes).push();
    bytes.fill('b');
    await pushed;
    assert.ok(Buffer.alloc(size, 'a').equals(await stored(scene, job, `k${size}`)), `${size} bytes`);
  }
});

keep('B-003 an empty value is null as JSON, and an empty Buffer as bytes', async (_, scene) => {
  const job = jobOf(scene);
  await job.set('k', undefined).push();
  assert.deepStrictEqual(await job.get('k', false).pull(), { k: null });
  assert.deepStrictEqual(await job.get('k', true).pull(), { k: Buffer.alloc(0) });
});

keep('B-002 a value that JSON cannot hold throws from set(), and nothing is stacked', async (_, scene) => {
  const job = jobOf(scene);
  const cycle = {};
  cycle.cycle = cycle;
  assert.throws(() => job.set('big', 10n), TypeError);
  assert.throws(() => job.set('cycle', cycle), TypeError);
  await job.set('a', 1).push();
  const pulled = await job.get('big').get('cycle').get('a', false).pull();
  assert.deepStrictEqual(pulled, { big: null, cycle: null, a: 1 });
});

keep('B-004 get reads a Buffer unless its second argument is falsy but not undefined', async (_, scene) => {
  const job = jobOf(scene);
  await job.set('k', [1]).push();
  for (const falsy of [false, 0, null, '', Number.NaN]) {
    assert.deepStrictEqual(await job.get('k', falsy).pull(), { k: [1] }, String(falsy));
  }
  for (const truthy of [undefined, true, 1, 'x', {}]) {
    assert.deepStrictEqual(await job.get('k', truthy).pull(), { k: Buffer.from('[1]') }, String(truthy));
  }
  assert.deepStrictEqual(await job.get('k').pull(), { k: Buffer.from('[1]') });
});

keep('B-005 a missing key is null, and the result a plain object of the requested keys', async (_, scene) => {
  const pulled = await jobOf(scene).get('gone').get('away', false).pull();
  assert.deepStrictEqual(pulled, { gone: null, away: null });
  assert.strictEqual(Object.getPrototypeOf(pulled), Object.prototype);
});

keep('B-005 a value that is not JSON is a SyntaxError in the result, beside the other keys', async (_, scene) => {
  const job = jobOf(scene);
  await scene.redis.call('SET', keys.payload(job.id, 'broken'), '{"a":');
  await job.set('a', 1).push();
  const { broken, a } = await job.get('broken', false).get('a', false).pull();
  assert.ok(broken instanceof SyntaxError);
  assert.strictEqual(a, 1);
});

keep('B-005 invalid UTF-8 arrives with replacement characters', async (_, scene) => {
  const job = jobOf(scene);
  await scene.redis.call('SET', keys.payload(job.id, 'k'), Buffer.from('22ff6122', 'hex'));
  assert.deepStrictEqual(await job.get('k', false).pull(), { k: '\ufffda' });
});

keep('B-007 of two reads of a key the later one decides the format', async (_, scene) => {
  const job = jobOf(scene);
  await job.set('k', 1).push();
  assert.deepStrictEqual(await job.get('k', true).get('k', false).pull(), { k: 1 });
  assert.deepStrictEqual(await job.get('k', false).get('k', true).pull(), { k: Buffer.from('1') });
});

fix('B-007 __proto__ is a key like any other', async (_, scene) => {
  const job = jobOf(scene);
  await job.set('__proto__', { polluted: true }).push();
  const pulled = await job.get('__proto__', false).pull();
  assert.deepStrictEqual(Object.getOwnPropertyDescriptor(pulled, '__proto__')?.value, { polluted: true });
  assert.strictEqual(Object.getPrototypeOf(pulled), Object.prototype);
  assert.strictEqual(pulled.polluted, undefined);
});

keep('B-010 a timeout is in milliseconds, as a number or digits; a falsy one means none', async (_, scene) => {
  const job = jobOf(scene);
  await job.set('number', 1, 60000).set('digits', 1, '60000').push();
  for (const key of ['number', 'digits']) {
    const left = await scene.redis.call('PTTL', keys.payload(job.id, key));
    assert.ok(left > 30000 && left <= 60000, `${left} ms`);
  }
  for (const none of [undefined, null, 0, Number.NaN, false, '']) {
    await job.set('for ever', 1, none).push();
    assert.strictEqual(await scene.redis.call('PTTL', keys.payload(job.id, 'for ever')), -1, String(none));
  }
});

keep('B-010 a key is gone after its timeout', async (_, scene) => {
  const job = jobOf(scene);
  await job.set('k', 1, 20).push();
  await until(async () => (await job.get('k').pull()).k === null);
});

fix(
  'B-010 a timeout that Redis cannot take is a RangeError that names the key, and nothing is stacked',
  async (_, scene) => {
    const job = jobOf(scene);
    for (const timeout of [-1, 0.5, 1.5, Infinity, -Infinity, true, 'soon', '1.5', {}, [], 2 ** 63, 1e300]) {
      assert.throws(() => job.set('colour', 1, timeout), { name: 'RangeError', message: /colour/ }, String(timeout));
    }
    await job.push();
    assert.deepStrictEqual(await job.get('colour').pull(), { colour: null });
  },
);

fix('B-011 values stacked during a push are written by the next push', async (_, scene) => {
  for (const enablePipelining of WAYS) {
    const job = jobOf(scene, enablePipelining);
    const first = job.set('a', 1).push();
    job.set('b', 2);
    await first;
    assert.strictEqual(await stored(scene, job, 'b'), null);
    await job.push();
    assert.strictEqual(String(await stored(scene, job, 'b')), '2');
  }
});

fix('B-012 two concurrent pulls each get their own keys', async (_, scene) => {
  for (const enablePipelining of WAYS) {
    const job = jobOf(scene, enablePipelining);
    await job.set('a', 1).set('b', 2).push();
    const pulled = await Promise.all([job.get('a', false).pull(), job.get('b', false).pull()]);
    assert.deepStrictEqual(pulled, [{ a: 1 }, { b: 2 }]);
  }
});

keep('B-021 payload keys stay without a time to live, until a program removes them', async (_, scene) => {
  const producer = scene.producer();
  await producer.listen();
  const job = producer.job();
  await job.set('k', 1).push();
  await scene.play(async (received) => received.get('k').pull());
  const sent = await producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
  await sent.finished();
  assert.strictEqual(await scene.redis.call('TTL', keys.payload(job.id, 'k')), -1);
});

fix('B-022 neither console.log nor JSON.stringify of a job shows its connection', (_, scene) => {
  const { inspect } = require('node:util');
  const connection = scene.connect({ password: 'a-secret', username: 'a-name' });
  const job = new scene.hfxbus.Producer(connection).job('J');
  const shown = `${inspect(job, { depth: Infinity })}${JSON.stringify(job)}`;
  assert.match(shown, /J/);
  assert.doesNotMatch(shown, /a-secret|a-name/);
});

keep('B-104 new Job(client, id) works with a client of the manager', async (_, scene) => {
  const client = scene.connection.getClient('mine');
  const job = new scene.hfxbus.Job(client, 'J');
  await job.set('k', 'v').push();
  assert.strictEqual(job.prefix('k'), 'hfxbus:job:J:k');
  assert.deepStrictEqual(await job.get('k', false).del('k').pull(), { k: 'v' });
});
