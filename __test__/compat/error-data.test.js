'use strict';

const assert = require('node:assert');
const { runInNewContext } = require('node:vm');
const { fix, keep } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const UNREADABLE = '{"name":"Error","message":"The job was rejected with an error that cannot be read"}';
/** V8 of Node 24 reads no stack through a proxy of an error; that of Node 20 does. */
const PROXY_HAS_STACK = typeof new Proxy(new Error('m'), {}).stack === 'string';

function throwing() {
  throw new Error('thrown while it was read');
}

function revoked(target) {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** Thrown values, and their JSON on the wire with the stack written as STACK. */
const SAME = [
  [() => new Error('boom'), '{"name":"Error","message":"boom","stack":"STACK"}'],
  [() => new TypeError('t'), '{"name":"TypeError","message":"t","stack":"STACK"}'],
  [
    () => Object.assign(new Error('m'), { code: 'E_CODE', errno: 42, errid: 'uuid', extra: { n: 1 } }),
    '{"code":"E_CODE","errno":42,"errid":"uuid","extra":{"n":1},"name":"Error","message":"m","stack":"STACK"}',
  ],
  [() => new Error('o', { cause: new Error('i') }), '{"name":"Error","message":"o","stack":"STACK"}'],
  [
    () => Object.assign(new Error('o'), { cause: new Error('i') }),
    '{"cause":{"name":"Error","message":"i","stack":"STACK"},"name":"Error","message":"o","stack":"STACK"}',
  ],
  [() => new AggregateError([new Error('1')], 'agg'), '{"name":"AggregateError","message":"agg","stack":"STACK"}'],
  [() => new (class MyError extends Error {})('x'), '{"name":"Error","message":"x","stack":"STACK"}'],
  [() => Object.assign(new Error('x'), { name: 'V' }), '{"name":"V","message":"x","stack":"STACK"}'],
  [() => new Error(''), '{"name":"Error","message":"","stack":"STACK"}'],
  [
    () => Object.assign(new Error('m'), { f() {}, s: Symbol('s'), u: undefined, n: null, nan: Number.NaN }),
    '{"n":null,"nan":null,"name":"Error","message":"m","stack":"STACK"}',
  ],
  [
    () =>
      Object.assign(new Error('m'), {
        d: new Date(0),
        m: new Map([[1, 2]]),
        t: new Set([1]),
        r: /x/,
      }),
    '{"d":{},"m":{},"t":{},"r":{},"name":"Error","message":"m","stack":"STACK"}',
  ],
  [() => Object.assign(new Error('m'), { toJSON: () => 'no' }), '{"name":"Error","message":"m","stack":"STACK"}'],
  [
    () => Object.defineProperty(new Error('m'), 'g', { get: () => 7, enumerable: true }),
    '{"g":7,"name":"Error","message":"m","stack":"STACK"}',
  ],
  [
    () => {
      const error = new Error('c');
      error.me = error;
      return error;
    },
    '{"me":"[Circular]","name":"Error","message":"c","stack":"STACK"}',
  ],
  [
    () => {
      const shared = { x: 1 };
      return { a: shared, b: shared };
    },
    '{"a":{"x":1},"b":{"x":1}}',
  ],
  [
    () => {
      const object = { a: 1 };
      object.self = object;
      object.arr = [object, { a: object }];
      return object;
    },
    '{"a":1,"self":"[Circular]","arr":["[Circular]",{"a":"[Circular]"}]}',
  ],
  [() => 'just a string', '"just a string"'],
  [() => '', '""'],
  [() => 42, '42'],
  [() => 0, '0'],
  [() => Number.NaN, 'null'],
  [() => true, 'true'],
  [() => false, 'false'],
  [() => ({ a: 1, code: 'X', message: 'm' }), '{"a":1,"code":"X","message":"m"}'],
  [() => ({ name: 'N', message: 'M' }), '{"name":"N","message":"M"}'],
  [() => Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
  [() => [1, 'x', null, undefined], '[1,"x",null,null]'],
  [() => function foo() {}, '"[Function: foo]"'],
  [() => () => {}, '"[Function: anonymous]"'],
  [() => new Date(0), '{}'],
  [() => new Error('é☃😀 "\\\n'), '{"name":"Error","message":"é☃😀 \\"\\\\\\n","stack":"STACK"}'],
  [
    () =>
      new (class {
        a = 1;
        method() {}
      })(),
    '{"a":1}',
  ],
  [
    () => Object.assign(Object.create(new Error('proto')), { own: 1 }),
    '{"own":1,"name":"Error","message":"proto","stack":"STACK"}',
  ],
];

/** Values that 2.2.0 does not publish, or not as JSON; and bytes, which it publishes as an object of their indices. */
const OURS = [
  [() => undefined, '{"name":"Error","message":"The job was rejected with undefined"}'],
  [() => null, '{"name":"Error","message":"The job was rejected with null"}'],
  [() => Symbol('s'), '{"name":"Error","message":"The job was rejected with Symbol(s)"}'],
  [() => 10n, '"10"'],
  [() => Buffer.from('xy'), '"[Buffer: 2 bytes]"'],
  [
    () =>
      Object.assign(new Error('m'), {
        buffer: Buffer.from('xy'),
        list: [new Float64Array(2), new DataView(new ArrayBuffer(3))],
        other: runInNewContext('({ view: new Uint8Array(4), buffer: new ArrayBuffer(5) })'),
        shared: new SharedArrayBuffer(6),
      }),
    '{"buffer":"[Buffer: 2 bytes]","list":["[Float64Array: 16 bytes]","[DataView: 3 bytes]"],' +
      '"other":{"view":"[Uint8Array: 4 bytes]","buffer":"[ArrayBuffer: 5 bytes]"},' +
      '"shared":"[SharedArrayBuffer: 6 bytes]","name":"Error","message":"m","stack":"STACK"}',
  ],
  [
    () => Object.defineProperty(Object.assign(new Error('m'), { code: 7 }), 'g', { get: throwing, enumerable: true }),
    '{"code":7,"g":"[Unreadable]","name":"Error","message":"m","stack":"STACK"}',
  ],
  [
    () => Object.defineProperty({ code: 7, name: 'N' }, 'message', { get: throwing, enumerable: true }),
    '{"code":7,"name":"N","message":"[Unreadable]"}',
  ],
  [
    () => Object.assign(new Error('m'), { gone: revoked({}), list: [revoked([])] }),
    '{"gone":"[Unreadable]","list":["[Unreadable]"],"name":"Error","message":"m","stack":"STACK"}',
  ],
  [
    () => new Proxy(Object.assign(new Error('m'), { code: 7 }), { ownKeys: throwing }),
    `{"name":"Error","message":"m","code":7,${PROXY_HAS_STACK ? '"stack":"STACK",' : ''}"truncated":true}`,
  ],
  [() => revoked(new Error('m')), UNREADABLE],
  [() => revoked(function foo() {}), UNREADABLE],
  [() => new Proxy(new Error('m'), { get: throwing, ownKeys: throwing }), UNREADABLE],
  [() => Object.assign(new Error('big'), { big: 10n }), '{"big":"10","name":"Error","message":"big","stack":"STACK"}'],
];

async function publishes(scene, [thrown, expected]) {
  const heard = await scene.hear(keys.channel(scene.stream, '*'));
  const values = [thrown()];
  await scene.play(async () => {
    throw values[0];
  });
  await scene.add('J');
  const [{ message }] = await until(() => heard.length > 0 && heard);
  const start = `{"str":"${scene.stream}","grp":"${scene.group}","job":"J","err":`;
  assert.strictEqual(message.slice(0, start.length), start);
  assert.strictEqual(withoutStacks(message.slice(start.length, -1)), expected);
}

/** A stack is where an error was made, which differs from run to run. */
function withoutStacks(json) {
  return json.replace(/"stack":"(?:[^"\\]|\\.)*"/g, '"stack":"STACK"');
}

for (const [index, sample] of SAME.entries()) {
  keep(`B.6 a thrown value travels as JSON, ${index}: ${sample[1]}`, (_, scene) => publishes(scene, sample));
}

for (const [index, sample] of OURS.entries()) {
  fix(`B.6 D-18 any thrown value travels as JSON, ${index}: ${sample[1]}`, (_, scene) => publishes(scene, sample));
}

keep('B.6 names travel as they are, unless JSON needs them escaped', async (_, scene) => {
  const [stream, group] = [`${scene.stream}é☃`, 'gñ'];
  const heard = await scene.hear(keys.channel(stream, '*'));
  await scene.play(async () => {}, { stream, group });
  await scene.add('jü', { stream });
  await until(() => heard.length === 1);
  assert.strictEqual(heard[0].message, `{"str":"${stream}","grp":"gñ","job":"jü"}`);
});
