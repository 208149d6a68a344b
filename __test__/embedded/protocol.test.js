'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { describe, it } = require('node:test');
const { Random } = require('../faults/random.js');
const { encode } = require('../support/resp.js');
const { until } = require('../support/wait-until.js');
const { generate } = require('./differential/generator.js');
const { serving } = require('./serving.js');

/** Sends bytes as they are, and gives what came back by the time that the connection ends or `enough` is there. */
function exchange(port, bytes, enough = /$^/) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk) => {
      text += chunk;
      if (enough.test(text)) socket.destroy();
    });
    socket.on('close', () => resolve(text));
    socket.on('error', () => {});
  });
}

/** Maximum time of a case on a busy machine, in ms. */
const LIMIT = 60000;

describe('the embedded server on the wire', { timeout: LIMIT }, () => {
  it('accepts inline commands', async (t) => {
    const { redis } = await serving(t);
    const lines = 'set k "a b"\r\n\r\nGET k\nnonsense \'x\'\nquit\r\n';
    assert.strictEqual(
      await exchange(redis.port, lines),
      "+OK\r\n$3\r\na b\r\n-ERR unknown command 'nonsense', with args beginning with: 'x' \r\n+OK\r\n",
    );
  });

  it('reports a malformed request, closes that connection, and continues', async (t) => {
    const { redis, client } = await serving(t);
    for (const [bytes, text] of [
      ['*1\r\n$x\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
      ['*x\r\n', '-ERR Protocol error: invalid multibulk length\r\n'],
      ['*1\r\n:1\r\n', "-ERR Protocol error: expected '$', got ':'\r\n"],
      ['get "k\r\n', '-ERR Protocol error: unbalanced quotes in request\r\n'],
      ['x'.repeat(70_000), '-ERR Protocol error: too big inline request\r\n'],
    ]) {
      assert.strictEqual(await exchange(redis.port, bytes), text);
    }
    assert.strictEqual(await client.call('PING'), 'PONG');
  });

  it('rejects requests of a browser', async (t) => {
    const { redis, client } = await serving(t);
    const request = 'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET k v\r\n';
    assert.strictEqual(await exchange(redis.port, request), '');
    assert.doesNotMatch(await exchange(redis.port, request.replace('POST', 'GET')), /OK/);
    assert.strictEqual(await client.call('EXISTS', 'k'), 0);
  });

  it('survives any bytes', async (t) => {
    const { redis, client } = await serving(t);
    const random = new Random(20261125);
    const commands = generate(random, 400).map(({ words }) => encode(words.map((word) => word.replace(/^@/, ''))));
    for (let at = 0; at < commands.length; at += 4) {
      const bytes = Buffer.concat(commands.slice(at, at + 4));
      for (let change = random.between(0, 3); change > 0; change--) {
        bytes[random.between(0, bytes.length - 1)] = random.pick([...Buffer.from('*$:+-0159\r\n" x'), 0, 255]);
      }
      const socket = net.connect(redis.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.end(bytes);
      socket.resume();
      await new Promise((resolve) => socket.once('close', resolve));
    }
    assert.strictEqual(await client.call('PING'), 'PONG');
    await until(async () => (await client.call('INFO', 'clients')).includes('connected_clients:1\r'));
  });

  it('reads requests that are split anywhere, and replies in order', async (t) => {
    const { redis } = await serving(t);
    const requests = Buffer.concat(Array.from({ length: 50 }, (_, at) => encode(['ECHO', `number ${at}`])));
    const socket = net.connect({ port: redis.port, host: '127.0.0.1', noDelay: true });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    for (let at = 0; at < requests.length; at += 7) {
      socket.write(requests.subarray(at, at + 7));
      if (at % 70 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => text.includes('number 49'));
    const expected = Array.from({ length: 50 }, (_, at) => `number ${at}`);
    assert.deepStrictEqual(text.match(/number \d+/g), expected);
    socket.destroy();
  });

  it('holds back a client that does not read, and continues when it does', async (t) => {
    const { redis, client } = await serving(t);
    await client.call('SET', 'k', 'x'.repeat(1_000_000));
    const socket = net.connect(redis.port, '127.0.0.1');
    const asked = 100;
    socket.pause();
    socket.write(Buffer.concat(Array.from({ length: asked }, () => encode(['GET', 'k']))));
    await until(async () => Number(/used_memory:(\d+)/.exec(await client.call('INFO', 'memory'))[1]) > 1_000_000);
    const used = Number(/used_memory:(\d+)/.exec(await client.call('INFO', 'memory'))[1]);
    assert.ok(used < 20_000_000, `${used}`);
    let length = 0;
    socket.on('data', (chunk) => {
      length += chunk.length;
    });
    socket.resume();
    await until(() => length === asked * '$1000000\r\n'.length + asked * 1_000_002);
    socket.destroy();
  });

  it('closes a subscriber that does not read before it fills the memory', async (t) => {
    const { redis, client } = await serving(t);
    const socket = net.connect(redis.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(encode(['SUBSCRIBE', 'c']));
    socket.pause();
    await until(async () => (await client.call('PUBSUB', 'NUMSUB', 'c'))[1] === 1);
    const message = 'x'.repeat(1_000_000);
    let sent = 0;
    while ((await client.call('PUBLISH', 'c', message)) === 1) sent++;
    assert.ok(sent >= 30 && sent < 60, `${sent}`);
    socket.destroy();
  });

  it('serves blocked clients in order of arrival, each with the entries that the one before left', async (t) => {
    const { client, connect } = await serving(t);
    await client.call('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM');
    const readers = [];
    for (const name of ['a', 'b', 'c']) {
      readers.push(connect().call('XREADGROUP', 'GROUP', 'g', name, 'COUNT', '1', 'BLOCK', '0', 'STREAMS', 's', '>'));
      await until(async () => (await client.call('INFO', 'clients')).includes(`blocked_clients:${readers.length}`));
    }
    for (const job of ['1', '2']) await client.call('XADD', 's', '*', 'job', job);
    const jobs = await Promise.all(readers.slice(0, 2));
    assert.deepStrictEqual(
      jobs.map(([[, [[, fields]]]]) => fields[1]),
      ['1', '2'],
    );
    await client.call('DEL', 's');
    await assert.rejects(readers[2], /^Error: UNBLOCKED the stream key no longer exists$/);
  });

  it('sends no replies to a client that wants none', async (t) => {
    const { redis } = await serving(t);
    const words = [
      ['CLIENT', 'REPLY', 'SKIP'],
      ['ECHO', 'a'],
      ['ECHO', 'b'],
      ['CLIENT', 'REPLY', 'OFF'],
      ['ECHO', 'c'],
    ];
    const bytes = Buffer.concat([...words, ['CLIENT', 'REPLY', 'ON'], ['QUIT']].map(encode));
    assert.strictEqual(await exchange(redis.port, bytes), '$1\r\nb\r\n+OK\r\n+OK\r\n');
    const skipped = [
      ['CLIENT', 'REPLY', 'SKIP'],
      ['NONSENSE'],
      ['ECHO', 'a'],
      ['CLIENT', 'REPLY', 'OFF'],
      ['CLIENT', 'REPLY', 'SKIP'],
      ['ECHO', 'b'],
      ['ECHO', 'c'],
    ];
    const others = Buffer.concat([...skipped, ['CLIENT', 'REPLY', 'ON'], ['QUIT']].map(encode));
    assert.strictEqual(await exchange(redis.port, others), '$1\r\na\r\n+OK\r\n+OK\r\n');
  });

  it('shows commands to monitors, but no password', async (t) => {
    const { client, connect } = await serving(t, { password: 'secret' });
    await client.call('AUTH', 'secret');
    const seen = [];
    const watcher = connect((line) => seen.push(line));
    await watcher.call('AUTH', 'secret');
    await watcher.call('MONITOR');
    await client.call('HELLO', '2', 'AUTH', 'default', 'secret', 'SETNAME', 'me');
    await client.call('AUTH', 'secret');
    await client.call('SET', 'k', 'a "b"\n\u0001');
    await until(() => seen.length === 3);
    assert.ok(!seen.join().includes('secret'));
    assert.match(seen[0], /"HELLO" "2" "AUTH" "\(redacted\)" "\(redacted\)" "SETNAME" "me"$/);
    assert.match(seen[2], /^\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "k" "a \\"b\\"\\n\\x01"$/);
  });

  it('shows the library of a client in CLIENT LIST, as Redis 7.2 and later', async (t) => {
    const { client } = await serving(t);
    assert.match(await client.call('CLIENT', 'LIST'), / lib-name= lib-ver=\n$/);
    assert.strictEqual(await client.call('CLIENT', 'SETINFO', 'lib-name', 'mine'), 'OK');
    assert.strictEqual(await client.call('CLIENT', 'SETINFO', 'LIB-VER', '1.0'), 'OK');
    assert.match(await client.call('CLIENT', 'LIST'), / lib-name=mine lib-ver=1\.0\n$/);
    for (const [words, message] of [
      [['LIB-NAME', 'a b'], 'ERR LIB-NAME cannot contain spaces, newlines or special characters.'],
      [['LIB-X', 'a'], "ERR Unrecognized option 'LIB-X'"],
      [['LIB-NAME'], "ERR wrong number of arguments for 'client|setinfo' command"],
    ]) {
      await assert.rejects(client.call('CLIENT', 'SETINFO', ...words), { message });
    }
  });

  it('pauses writes, or all commands, for a time', async (t) => {
    const { client, connect } = await serving(t);
    await client.call('CLIENT', 'PAUSE', '60000', 'WRITE');
    const order = [];
    const written = connect()
      .call('SET', 'k', 'v')
      .then(() => order.push('written'));
    await until(async () => /flags=b/.test(await client.call('CLIENT', 'LIST')));
    assert.strictEqual(await client.call('GET', 'k'), null);
    order.push('read');
    await client.call('CLIENT', 'UNPAUSE');
    await written;
    await client.call('CLIENT', 'PAUSE', '50');
    await client.call('SET', 'k', 'w');
    assert.deepStrictEqual(order, ['read', 'written']);
  });

  it('runs the script of 2.2.0 by its digest or its text, and no other', async (t) => {
    const { client } = await serving(t);
    const folder = path.dirname(require.resolve('hfxbus-original/package.json'));
    const script = fs.readFileSync(path.join(folder, 'lib', 'scripts', 'xretry.lua'), 'utf8');
    const digest = await client.call('SCRIPT', 'LOAD', script);
    assert.deepStrictEqual(await client.call('SCRIPT', 'EXISTS', digest, 'f'.repeat(40)), [1, 0]);
    await client.call('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM');
    for (const id of ['1-1', '2-1', '3-1']) await client.call('XADD', 's', id, 'job', id);
    await client.call('XREADGROUP', 'GROUP', 'g', 'gone', 'STREAMS', 's', '>');
    await client.call('XDEL', 's', '2-1');
    const claimed = await client.call('EVALSHA', digest, '6', 'g', 'me', '3', '10', '100', '0', 's');
    assert.deepStrictEqual(
      claimed.map(([id, owner, , count, stream, fields]) => [id, owner, count, stream, fields]),
      [
        ['1-1', 'gone', 1, 's', ['job', '1-1']],
        ['3-1', 'gone', 1, 's', ['job', '3-1']],
      ],
    );
    assert.deepStrictEqual(
      (await client.call('XPENDING', 's', 'g', '-', '+', '9')).map(([id, owner, , count]) => [id, owner, count]),
      [
        ['1-1', 'me', 2],
        ['3-1', 'me', 2],
      ],
    );
    await assert.rejects(client.call('EVAL', 'return 1', '0'), /embedded server of hfxbus runs no scripts but/);
    await assert.rejects(client.call('EVALSHA', 'f'.repeat(40), '0'), /^Error: NOSCRIPT/);
  });
});
