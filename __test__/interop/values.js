'use strict';

const { createHash } = require('node:crypto');

/** Payloads, by name. What is no Buffer travels as JSON. */
const PAYLOADS = {
  'an empty Buffer': Buffer.alloc(0),
  'a Buffer of every byte': Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  'a Buffer of 1 MiB': Buffer.alloc(2 ** 20, Buffer.from(Array.from({ length: 251 }, (_, byte) => byte))),
  'a Buffer that looks like a protocol': Buffer.from('$-1\r\n*2\r\n$3\r\nGET\r\n'),
  'a text': 'Hello world',
  'an empty text': '',
  'a text of many alphabets': 'ação, 日本語, 😀, \u0000, "quoted\\"',
  'a lone surrogate': '\ud800',
  'a number': -1.5e-7,
  'the largest safe integer': Number.MAX_SAFE_INTEGER,
  null: null,
  true: true,
  'nested values': { list: [1, [2, { three: null }]], empty: {}, ['__proto__']: 'own' },
  'a Date, as its text': new Date(0),
  'nothing at all': undefined,
};

/** Values that a processor throws, by name, and the producer's errors, with stacks written as STACK. */
const THROWN = {
  'an Error': { make: () => new Error('boom'), data: { name: 'Error', message: 'boom', stack: 'STACK' } },
  'an Error of a kind of its own': {
    make: () => Object.assign(new TypeError('é☃😀'), { name: 'Mine' }),
    data: { name: 'Mine', message: 'é☃😀', stack: 'STACK' },
  },
  'an Error with properties': {
    make: () => Object.assign(new Error('m'), { code: 'E_CODE', errno: 42, errid: 'uuid', extra: { n: [1, null] } }),
    data: {
      code: 'E_CODE',
      errno: 42,
      errid: 'uuid',
      extra: { n: [1, null] },
      name: 'Error',
      message: 'm',
      stack: 'STACK',
    },
  },
  'an Error with another inside': {
    make: () => Object.assign(new Error('outer'), { cause: new Error('inner') }),
    data: {
      cause: { name: 'Error', message: 'inner', stack: 'STACK' },
      name: 'Error',
      message: 'outer',
      stack: 'STACK',
    },
  },
  'an Error that has itself': {
    make: () => {
      const error = new Error('round');
      error.self = error;
      return error;
    },
    data: { self: '[Circular]', name: 'Error', message: 'round', stack: 'STACK' },
  },
  'an Error with values that JSON has not': {
    make: () => Object.assign(new Error('m'), { d: new Date(0), f() {}, u: undefined }),
    data: { d: {}, name: 'Error', message: 'm', stack: 'STACK' },
  },
  'a text': { make: () => 'just a "text"', data: 'just a "text"' },
  'a number': { make: () => 42, data: 42 },
  'an object': { make: () => ({ a: 1, code: 'X', message: 'm' }), data: { a: 1, code: 'X', message: 'm' } },
  'a list': { make: () => [1, 'x', null], data: [1, 'x', null] },
  'a function': { make: () => function foo() {}, data: '[Function: foo]' },
  // 2.2.0's producers take what is falsy for success.
  zero: { make: () => 0, data: 0, original: 'Date' },
  'an empty text': { make: () => '', data: '', original: 'Date' },
  false: { make: () => false, data: false, original: 'Date' },
};

/** A value as text that can be compared from process to process. */
function describe(value) {
  if (!Buffer.isBuffer(value)) return JSON.stringify(value ?? null);
  return `${value.length} bytes, ${createHash('sha256').update(value).digest('hex')}`;
}

/** A completion that can be printed: `Date` for success, stacks as STACK. */
function completion(data) {
  if (data instanceof Date) return 'Date';
  if (typeof data !== 'object' || data === null) return data;
  const plain = Object.entries(data).map(([key, value]) => [key, key === 'stack' ? 'STACK' : completion(value)]);
  return Array.isArray(data) ? data.map(completion) : Object.fromEntries(plain);
}

module.exports = { PAYLOADS, THROWN, describe, completion };
