'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { getKeyIndexes, list } = require('@ioredis/commands');
const { firstKey } = require('../../src/facade/redis/first-key.js');

test('the position of the first key of a command matches the list of commands', () => {
  for (const name of list) {
    const args = Array(9).fill('1');
    const [index = -2] = getKeyIndexes(name, args);
    assert.strictEqual(firstKey([name, ...args]), index + 1, name);
    assert.strictEqual(firstKey([name.toUpperCase(), ...args]), index + 1, name);
  }
});

const CASES = [
  ['get k', 1],
  ['bitop and to k', 2],
  ['eval s 2 k l a', 3],
  ['eval s 0 a', -1],
  ['evalsha s 1 k', 3],
  ['fcall f 1 k', 3],
  ['lmpop 2 k l left', 2],
  ['blmpop 0 1 k left', 3],
  ['zunionstore to 2 k l', 1],
  ['zinter 2 k l', 2],
  ['xread streams k $', 2],
  ['xread count 1 block 5 STREAMS k l 0 0', 6],
  ['xread count 1', -1],
  ['xreadgroup group streams streams count 1 streams k >', 7],
  ['xgroup create k g $ mkstream', 2],
  ['XGROUP CREATE k g $', 2],
  ['xgroup help', -1],
  ['xinfo stream k full', 2],
  ['object encoding k', 2],
  ['object help', -1],
  ['memory usage k', 2],
  ['memory doctor', -1],
  ['sort k by w_* get o_* store to', 1],
  ['migrate h 1 k 0 5', 3],
  ['ping', -1],
  ['scan 0 match k', -1],
  ['get', -1],
  ['no.such.command k', -1],
  ['constructor k', -1],
];

for (const [line, index] of CASES) {
  test(`the first key of ‘${line}’ is word ${index}`, () => {
    const words = line.split(' ');
    assert.strictEqual(firstKey(words), index);
    assert.strictEqual(firstKey(words.map((word) => new Uint8Array(Buffer.from(word)))), index);
  });
}

test('MIGRATE has one key, or otherwise the keys after KEYS', () => {
  assert.strictEqual(firstKey(['migrate', 'h', '1', '', '0', '5', 'copy', 'KEYS', 'k', 'l']), 8);
  assert.strictEqual(firstKey(['migrate', 'keys', '1', '', '0', '5']), -1);
});
