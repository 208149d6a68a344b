'use strict';

const assert = require('node:assert');
const http = require('node:http');
const { describe, it } = require('node:test');
const zlib = require('node:zlib');
const { createDashboard } = require('../../dashboard.js');
const { ConnectionManager } = require('../../index.js');
const { keys } = require('../support/keys.js');
const { RedisServer } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');
const { serve } = require('./served.js');

const PATIENCE = { timeout: 20_000 };

async function bus(t) {
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  await redis.call(
    'XADD',
    keys.stream('letters'),
    '5-1',
    'prd',
    'p',
    'job',
    'one',
    'str',
    'mails',
    'eid',
    '1-1',
    'grp',
    'g',
    'dlv',
    '3',
    'rsn',
    'exhausted',
  );
  const connection = ConnectionManager.standalone(redis.options);
  t.after(() => connection.stop({ force: true }));
  return { redis, connection };
}

/** Sends a request as it is, without the normalization of `fetch`. */
function request(port, path, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const sent = http.request({ port, path, method, headers, host: '127.0.0.1' }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('the handlers of a dashboard', () => {
  it('serve the page, compressed files that never change, and data that is not kept', async (t) => {
    const { connection } = await bus(t);
    const { port, close } = await serve(connection);
    t.after(close);
    const page = await request(port, '/');
    assert.deepStrictEqual([page.status, page.headers['cache-control']], [200, 'no-store']);
    const [file] = page.body.toString().match(/assets\/page\.\w+\.js/);
    const plain = await request(port, `/${file}`);
    const packed = await request(port, `/${file}`, { headers: { 'accept-encoding': 'br, gzip' } });
    assert.strictEqual(packed.headers['content-encoding'], 'gzip');
    assert.deepStrictEqual(zlib.gunzipSync(packed.body), plain.body);
    assert.ok(packed.body.length < 60 * 1024, `${packed.body.length} bytes`);
    assert.match(packed.headers['cache-control'], /immutable/);
    const data = await request(port, '/api/overview');
    assert.deepStrictEqual([data.status, data.headers['cache-control']], [200, 'no-store']);
    const head = await request(port, '/', { method: 'HEAD' });
    assert.deepStrictEqual([head.status, head.body.length], [200, 0]);
  });

  it('answer below a path, whether a framework removes it or not', async (t) => {
    const { connection } = await bus(t);
    const { port, close, dashboard } = await serve(connection, { public: true, basePath: '/ops/bus/' });
    t.after(close);
    assert.strictEqual((await request(port, '/ops/bus/')).status, 200);
    assert.strictEqual((await request(port, '/ops/bus/api/overview')).status, 200);
    const short = await request(port, '/ops/bus?x=1');
    assert.deepStrictEqual([short.status, short.headers.location], [308, 'bus/?x=1']);
    const stripped = http.createServer((req, res) => {
      req.originalUrl = req.url;
      req.url = req.url.replace('/ops/bus', '') || '/';
      dashboard.handler(req, res);
    });
    await new Promise((resolve) => stripped.listen(0, '127.0.0.1', resolve));
    t.after(() => stripped.close());
    assert.strictEqual((await request(stripped.address().port, '/ops/bus/api/overview')).status, 200);
    assert.strictEqual((await request(stripped.address().port, '/ops/bus')).status, 308);
    assert.strictEqual((await dashboard.fetch(new Request('http://host/ops/bus/api/nodes'))).status, 200);
    assert.strictEqual((await dashboard.fetch(new Request('http://host/api/nodes'))).status, 200);
  });

  it('take the body of an action from a parser of the framework as well', async (t) => {
    const { connection, redis } = await bus(t);
    const dashboard = createDashboard(connection, { public: true, actions: true });
    const server = http.createServer(async (req, res) => {
      const chunks = [];
      for await (const chunk of req) chunks.push(chunk);
      req.body = JSON.parse(Buffer.concat(chunks));
      await dashboard.handler(req, res);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(async () => {
      server.close();
      await dashboard.close();
    });
    const { port } = server.address();
    const headers = {
      'content-type': 'application/json',
      'x-hfxbus-dashboard': '1',
      origin: `http://127.0.0.1:${port}`,
    };
    const body = JSON.stringify({ action: 'drop', stream: 'letters', letters: [{ id: '5-1', node: 0 }] });
    const { status, body: answer } = await request(port, '/api/letters', { method: 'POST', headers, body });
    assert.deepStrictEqual([status, JSON.parse(answer).done], [200, 1]);
    assert.strictEqual(await redis.call('XLEN', keys.stream('letters')), 0);
  });

  it('send events until the reader goes or the dashboard closes', async (t) => {
    const { connection } = await bus(t);
    const { port, close } = await serve(connection, { public: true, interval: 500 });
    let isClosed = false;
    t.after(() => isClosed || close());
    const events = await new Promise((resolve, reject) => {
      http.get({ port, host: '127.0.0.1', path: '/live/overview' }, resolve).on('error', reject);
    });
    assert.match(events.headers['content-type'], /^text\/event-stream/);
    let text = '';
    events.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    await until(() => text.split('\ndata: ').length > 2, PATIENCE);
    const [, first] = text.split('\ndata: ');
    assert.strictEqual(JSON.parse(first).data.totals.streams, 1);
    assert.strictEqual((await request(port, '/live/job?id=one')).status, 404);
    const ended = new Promise((resolve) => events.once('close', resolve));
    isClosed = true;
    await close();
    await ended;
  });

  it('answer with the reason while Redis is away, and with data once it is back', async (t) => {
    const { connection, redis } = await bus(t);
    const { port, close } = await serve(connection, { public: true, interval: 500 });
    t.after(close);
    const data = async () => JSON.parse((await request(port, '/api/nodes')).body).data;
    await until(async () => (await data()).nodes[0].isUp, PATIENCE);
    redis.crash();
    const { reason } = await until(async () => (await data()).nodes.find(({ isUp }) => !isUp), PATIENCE);
    assert.ok(reason.length > 0);
    const letters = await request(port, '/api/letters?stream=letters');
    assert.strictEqual(letters.status, 502);
    assert.match(JSON.parse(letters.body).message, /./);
    await redis.start();
    await until(async () => (await data()).nodes[0].isUp, PATIENCE);
  });

  it('leave nothing open', async (t) => {
    const { connection, redis } = await bus(t);
    const clients = async () => (await redis.call('CLIENT', 'LIST')).trim().split('\n').length;
    const before = await clients();
    const { port, close } = await serve(connection, { public: true, actions: true });
    await request(port, '/api/overview');
    assert.ok((await clients()) > before);
    await close();
    await until(async () => (await clients()) === before, PATIENCE);
  });
});
