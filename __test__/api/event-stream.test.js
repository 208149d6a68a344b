'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const { createServer } = require('node:http');
const { Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const { test } = require('node:test');
const { eventStream } = require('hfxbus');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { until } = require('../support/wait-until.js');

const text = (stream) => new Response(stream).text();

async function* chunksOf(...chunks) {
  yield* chunks;
}

test('chunks become messages with ids, whatever their values', async () => {
  const values = ['two\nlines', { n: 1 }, null, Buffer.from('bytes'), '\u2028'];
  const chunks = values.map((value, at) => ({ id: `1-${at}`, value, restarted: at === 2 }));
  assert.deepStrictEqual((await text(eventStream(chunksOf(...chunks)))).split('\n\n'), [
    'id: 1-0\ndata: "two\\nlines"',
    'id: 1-1\ndata: {"n":1}',
    'event: restart\ndata: null',
    'id: 1-2\ndata: null',
    'id: 1-3\ndata: "Ynl0ZXM="',
    'id: 1-4\ndata: "\u2028"',
    'event: end\ndata: null',
    '',
  ]);
});

test('an error becomes an event without its text', async () => {
  async function* fails() {
    yield { id: '1-1', value: 1, restarted: false };
    throw Object.assign(new Error('secret'), { code: 'RESULT_FAILED', id: '1-2' });
  }
  const events = await text(eventStream(fails()));
  assert.strictEqual(events, 'id: 1-1\ndata: 1\n\nid: 1-2\nevent: failed\ndata: {"code":"RESULT_FAILED"}\n\n');
});

test('an error without a code, and an abort, become an event with ERROR', async () => {
  for (const error of [new Error('secret'), new DOMException('gone', 'AbortError'), null]) {
    // biome-ignore lint/correctness/useYield: it fails before its first chunk
    const results = (async function* fails() {
      throw error;
    })();
    assert.strictEqual(await text(eventStream(results)), 'event: failed\ndata: {"code":"ERROR"}\n\n');
  }
});

test('comments keep a connection open, and end with it', async () => {
  const gate = new Gate();
  async function* waits() {
    await gate.opened;
    yield { id: '1-1', value: 1, restarted: false };
  }
  const reader = eventStream(waits(), { heartbeat: 5 }).getReader();
  for (let beats = 0; beats < 3; beats++) {
    assert.strictEqual(Buffer.from((await reader.read()).value).toString(), ':\n\n');
  }
  gate.open();
  let events = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    events += Buffer.from(value);
  }
  assert.strictEqual(events.replaceAll(':\n\n', ''), 'id: 1-1\ndata: 1\n\nevent: end\ndata: null\n\n');
  assert.throws(() => eventStream(null), { name: 'TypeError', message: /results/ });
  assert.throws(() => eventStream(waits(), { heartbeat: -1 }), { name: 'RangeError', message: /heartbeat/ });
});

ours('a browser that disconnects ends its reader, and one that comes back misses nothing', async (_, scene) => {
  const { stream, group, redis } = scene;
  const gate = new Gate();
  await scene.play(async (job) => {
    await job.emit('a');
    await job.emit('b');
    await gate.opened;
    await job.emit('c');
  });
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job() });
  const server = createServer(async (request, response) => {
    const results = producer.results({ stream, group, id: job.id, from: request.headers['last-event-id'] });
    await pipeline(Readable.fromWeb(eventStream(results)), response).catch(() => {});
  }).listen(0);
  scene.closing(() => server.close());
  await once(server, 'listening');
  const url = `http://localhost:${server.address().port}`;
  const gone = new AbortController();
  let events = '';
  const response = await fetch(url, { signal: gone.signal });
  const read = (async () => {
    for await (const part of response.body) events += Buffer.from(part);
  })().catch(() => {});
  await until(() => events.includes('"b"'));
  const channels = () => redis.call('PUBSUB', 'CHANNELS', `hfxbus:res:${stream}:*`);
  assert.strictEqual((await channels()).length, 1);
  gone.abort();
  await read;
  await until(async () => (await channels()).length === 0);
  gate.open();
  const [, first] = /id: (.*)\ndata: "a"/.exec(events);
  const rest = await (await fetch(url, { headers: { 'last-event-id': first } })).text();
  assert.deepStrictEqual(rest.match(/data: .*/g), ['data: "b"', 'data: "c"', 'data: null']);
});
