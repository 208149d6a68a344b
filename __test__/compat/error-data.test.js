'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/until.js');

/** What is thrown, and its JSON on the wire with the stack written as STACK. */
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
        b: Buffer.from('xy'),
        m: new Map([[1, 2]]),
        t: new Set([1]),
        r: /x/,
      }),
    '{"d":{},"b":{"0":120,"1":121},"m":{},"t":{},"r":{},"name":"Error","message":"m","stack":"STACK"}',
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
  [() => Buffer.from('xy'), '{"0":120,"1":121}'],
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

/** What 2.2.0 publishes nothing for, or what is no JSON. */
const OURS = [
  [() => undefined, '{"name":"Error","message":"The job was rejected with undefined"}'],
  [() => null, '{"name":"Error","message":"The job was rejected with null"}'],
  [() => Symbol('s'), '{"name":"Error","message":"The job was rejected with Symbol(s)"}'],
  [() => 10n, '"10"'],
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
  keep(`B.6 what is thrown travels as JSON, ${index}: ${sample[1]}`, (_, scene) => publishes(scene, sample));
}

for (const [index, sample] of OURS.entries()) {
  fix(`B.6 D-18 whatever is thrown travels as JSON, ${index}: ${sample[1]}`, (_, scene) => publishes(scene, sample));
}

keep('B.6 names travel as they are, unless JSON needs them escaped', async (_, scene) => {
  const [stream, group] = [`${scene.stream}é☃`, 'gñ'];
  const heard = await scene.hear(keys.channel(stream, '*'));
  await scene.play(async () => {}, { stream, group });
  await scene.add('jü', { stream });
  await until(() => heard.length === 1);
  assert.strictEqual(heard[0].message, `{"str":"${stream}","grp":"gñ","job":"jü"}`);
});
