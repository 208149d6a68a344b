'use strict';

const assert = require('node:assert');
const { fix, keep, ours } = require('../support/cases.js');

/** Commands on unique keys, in order: a method, its arguments, and its result. */
function sample(scene) {
  const [k, l, h, s, z] = ['key', 'list', 'hash', 'set', 'sorted'].map((kind) => scene.name(kind));
  const bytes = Buffer.from([0, 255, 13, 10]);
  return [
    ['ping', [], 'PONG'],
    ['pingBuffer', [], Buffer.from('PONG')],
    ['echo', ['ação 😀'], 'ação 😀'],
    ['set', [k, 'v'], 'OK'],
    ['setBuffer', [k, 'v'], Buffer.from('OK')],
    ['get', [k], 'v'],
    ['get', [Buffer.from(k)], 'v'],
    ['getBuffer', [k], Buffer.from('v')],
    ['get', [`${k}?`], null],
    ['set', [k, 'v', 'EX', 100, 'NX'], null],
    ['set', [k, 1.5], 'OK'],
    ['get', [k], '1.5'],
    ['set', [k, null], 'OK'],
    ['get', [k], ''],
    ['append', [k, undefined], 0],
    ['append', [k, true], 4],
    ['append', [k, [new Date(0)]], 4 + String(new Date(0)).length],
    ['set', [[k, bytes]], 'OK'],
    ['getBuffer', [k], bytes],
    ['get', [k], bytes.toString()],
    ['mset', [{ [k]: 1, [`${k}2`]: Buffer.from('b') }], 'OK'],
    ['mget', [k, [`${k}2`, `${k}?`]], ['1', 'b', null]],
    ['mgetBuffer', [k, `${k}2`], [Buffer.from('1'), Buffer.from('b')]],
    ['msetnx', [new Map([[k, 1]])], 0],
    ['incr', [k], 2],
    ['incrbyfloat', [k, 0.5], '2.5'],
    ['pexpire', [k, 100000], 1],
    ['exists', [k, `${k}2`], 2],
    ['type', [k], 'string'],
    ['rpush', [l, 'a', 'b', 'c'], 3],
    ['lrange', [l, 0, -1], ['a', 'b', 'c']],
    ['blpop', [l, 0], [l, 'a']],
    ['hset', [h, { a: 1, b: 'zwei' }], 2],
    ['hset', [h, 'c', ''], 1],
    ['hset', [h, '__proto__', 'own'], 1],
    ['hmset', [h, new Map([['a', 0]])], 'OK'],
    ['hgetall', [h], JSON.parse('{ "a": "0", "b": "zwei", "c": "", "__proto__": "own" }')],
    ['hgetall', [`${h}?`], {}],
    ['hdel', [h, ['c', '__proto__']], 2],
    ['hgetallBuffer', [h], { a: Buffer.from('0'), b: Buffer.from('zwei') }],
    ['sadd', [s, 'x', ['y']], 2],
    ['sismember', [s, 'x'], 1],
    ['zadd', [z, 1, 'one', 2.5, 'two'], 2],
    ['zrange', [z, 0, -1, 'WITHSCORES'], ['one', '1', 'two', '2.5']],
    ['eval', ['return {KEYS[1], ARGV[1], 3, {false}}', 1, k, 'a'], [k, 'a', 3, [null]]],
    ['scan', [0, 'MATCH', l, 'COUNT', 10000], ['0', [l]]],
    ['object', ['encoding', s], 'hashtable', 'listpack'],
    ['call', ['GET', `${k}2`], 'b'],
    ['callBuffer', ['get', `${k}2`], Buffer.from('b')],
    ['del', [k, [`${k}2`], l, h, s, z], 6],
  ];
}

keep('B-104 every command is a method that resolves with the reply in plain values', async (_, scene) => {
  const client = scene.connection.getClient('mine');
  for (const [method, args, ...expected] of sample(scene)) {
    const result = await client[method](...args);
    const match = expected.find((one) => JSON.stringify(one) === JSON.stringify(result)) ?? expected[0];
    assert.deepStrictEqual(result, match, `${method} ${args}`);
  }
});

keep('B-104 the commands work in a pipeline, by methods and as a list', async (_, scene) => {
  const client = scene.connection.getClient('mine');
  for (const make of [chained, listed]) {
    const commands = sample(scene).filter(([, , ...expected]) => expected.length === 1);
    const pipeline = make(client, commands);
    assert.strictEqual(pipeline.length, commands.length);
    assert.deepStrictEqual(
      await pipeline.exec(),
      commands.map(([, , result]) => [null, result]),
    );
  }
  assert.deepStrictEqual(await client.pipeline().exec(), []);
  assert.deepStrictEqual(await client.pipeline([]).exec(), []);
});

function chained(client, commands) {
  const pipeline = client.pipeline();
  for (const [method, args] of commands) assert.strictEqual(pipeline[method](...args), pipeline);
  return pipeline;
}

function listed(client, commands) {
  return client.pipeline(commands.map(([method, args]) => [method, ...args]));
}

keep('B-104 an error in a pipeline is that command’s alone, and stands alone', async (_, scene) => {
  const [key, list] = [scene.name('key'), scene.name('list')];
  const client = scene.connection.getClient('mine');
  const results = await client.pipeline().set(key, 1).rpush(list, 1).get(list).incr(key).exec();
  assert.deepStrictEqual(
    [results[0], results[1], results[3]],
    [
      [null, 'OK'],
      [null, 1],
      [null, 2],
    ],
  );
  const [error, ...rest] = results[2];
  assert.deepStrictEqual(rest, []);
  assert.strictEqual(error.name, 'ReplyError');
  assert.match(error.message, /^WRONGTYPE /);
});

fix('B-104 an error has code, command and node, and no argument', async (_, scene) => {
  const list = scene.name('list');
  const client = scene.connection.getClient('mine');
  await client.rpush(list, 1);
  const expected = { code: 'WRONGTYPE', node: `127.0.0.1:${scene.redis.port}` };
  await assert.rejects(client.get(list), { ...expected, command: 'GET' });
  await assert.rejects(client.getBuffer(list), { ...expected, command: 'GET' });
  await assert.rejects(client.call('incr', list), { ...expected, command: 'INCR' });
  const [[error], [, [within]]] = await client.pipeline().hgetall(list).multi().get(list).exec().exec().then(ends);
  assert.strictEqual(error.command, 'HGETALL');
  assert.deepStrictEqual([within.code, within.command], ['WRONGTYPE', 'GET']);
  assert.ok(!JSON.stringify(error).includes(list));
});

function ends(results) {
  return [results[0], results[results.length - 1]];
}

fix('B-104 a user without a right gets NOPERM with the command’s name, and others work on', async (_, scene) => {
  const key = scene.name('key');
  const user = scene.name('user');
  await scene.redis.call('ACL', 'SETUSER', user, 'on', '>secret', '~*', '+get', '+info');
  const client = scene.connect({ username: user, password: 'secret' }).getClient('mine');
  await assert.rejects(client.set(key, 'payload'), (error) => {
    assert.deepStrictEqual([error.code, error.command], ['NOPERM', 'SET']);
    assert.ok(!/payload|secret/.test(`${error.message} ${JSON.stringify(error)}`));
    return true;
  });
  assert.strictEqual(await client.get(key), null);
});

keep('B-104 a transaction resolves with its results, and rejects if nothing of it ran', async (_, scene) => {
  const [key, list] = [scene.name('key'), scene.name('list')];
  const client = scene.connection.getClient('mine');
  await client.rpush(list, 1);
  const chain = await client.multi().set(key, 1).hgetall(scene.name('hash')).getBuffer(key).exec();
  assert.deepStrictEqual(chain, [
    [null, 'OK'],
    [null, {}],
    [null, Buffer.from('1')],
  ]);
  const [first, [error]] = await client
    .multi([
      ['incr', key],
      ['get', list],
    ])
    .exec();
  assert.deepStrictEqual(first, [null, 2]);
  assert.match(error.message, /^WRONGTYPE /);

  await assert.rejects(client.multi().incr(key).set(key).exec(), (aborted) => {
    assert.match(aborted.message, /^EXECABORT /);
    assert.match(aborted.previousErrors[0].message, /^ERR wrong number/);
    return true;
  });
  assert.strictEqual(await client.get(key), '2');
});

keep('B-104 a transaction on a watched key that changed resolves with null', async (_, scene) => {
  const key = scene.name('key');
  const client = scene.connection.getClient('mine');
  await client.watch(key);
  await scene.redis.call('SET', key, 'other');
  assert.strictEqual(await client.multi().set(key, 'mine').exec(), null);
  assert.strictEqual(await client.get(key), 'other');
});

keep('B-104 a transaction can be a part of a pipeline, or be sent one by one', async (_, scene) => {
  const key = scene.name('key');
  const client = scene.connection.getClient('mine');
  assert.deepStrictEqual(await client.pipeline().set(key, 1).multi().incr(key).getBuffer(key).exec().get(key).exec(), [
    [null, 'OK'],
    [null, 'OK'],
    [null, 'QUEUED'],
    [null, Buffer.from('QUEUED')],
    [null, [2, Buffer.from('2')]],
    [null, '2'],
  ]);
  assert.strictEqual(await client.multi({ pipeline: false }), 'OK');
  assert.strictEqual(await client.incr(key), 'QUEUED');
  assert.deepStrictEqual(await client.exec(), [[null, 3]]);
});

keep('B-104 integers beyond 2^53 are the nearest number, or exact strings with stringNumbers', async (_, scene) => {
  const key = scene.name('key');
  const client = scene.connection.getClient('mine');
  const strings = scene.connect({ stringNumbers: true }).getClient('mine');
  await client.set(key, '9007199254740992');
  assert.strictEqual(await strings.incr(key), '9007199254740993');
  assert.strictEqual(await client.incr(key), 9007199254740994);
  assert.strictEqual(await client.decrby(key, '18014398509481984'), -9007199254740990);
  assert.strictEqual(await strings.exists(key), '1');
  assert.deepStrictEqual(await strings.eval('return {1, {-2}}', 0), ['1', ['-2']]);
});

fix('B-104 replies of streams are those of RESP2 too', async (_, scene) => {
  const key = scene.name('stream');
  const client = scene.connection.getClient('mine');
  const id = await client.xadd(key, '1-1', 'a', 'b');
  assert.strictEqual(id, '1-1');
  assert.deepStrictEqual(await client.xrange(key, '-', '+'), [['1-1', ['a', 'b']]]);
  assert.deepStrictEqual(await client.xread('STREAMS', key, '0'), [[key, [['1-1', ['a', 'b']]]]]);
  assert.strictEqual(await client.xread('STREAMS', key, '$'), null);
  assert.deepStrictEqual((await client.xinfo('STREAM', key)).slice(0, 2), ['length', 1]);
});

ours('B-104 every command of the list is a method, once for all clients, and so is its Buffer variant', (_, scene) => {
  const { list } = require('@ioredis/commands');
  const [one, other] = [scene.connection.getClient('mine'), scene.connection.getClient('other')];
  assert.ok(list.length > 290);
  for (const name of [...list, 'sentinel', 'call'].flatMap((command) => [command, `${command}Buffer`])) {
    assert.strictEqual(typeof one[name], 'function', name);
    assert.strictEqual(one[name], other[name], name);
    assert.strictEqual(typeof one.pipeline()[name], 'function', name);
    assert.strictEqual(one[name].name, name);
  }
  assert.deepStrictEqual(
    Object.keys(one).filter((name) => !name.startsWith('_')),
    ['keyPrefix', 'enablePipelining'],
  );
});
