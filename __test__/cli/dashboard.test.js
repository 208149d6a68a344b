'use strict';

const assert = require('node:assert');
const http = require('node:http');
const { describe, it } = require('node:test');
const { hfxbus, start } = require('../support/command-line.js');
const { RedisServer } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');
const { fill } = require('./bus.js');

const PATIENCE = { timeout: 20_000 };

async function serve(t, ...args) {
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  await fill((...words) => redis.call(...words));
  const run = start(['dashboard', '--port', '0', '--url', `redis://127.0.0.1:${redis.port}`, ...args]);
  t.after(() => run.child.kill('SIGKILL'));
  await until(() => run.stdout.includes('token=') || run.stderr, PATIENCE);
  const [text] = /http\S+token=[\w-]+/.exec(run.stdout) ?? assert.fail(run.stderr);
  return { run, url: new URL(text), redis };
}

/** Sends a request with any header, such as Host. */
function request(url, { headers = {}, method = 'GET', body } = {}) {
  return new Promise((resolve, reject) => {
    const sent = http.request(url, { headers, method, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('npx hfxbus dashboard', () => {
  it('shows the bus on loopback to the owner of the token, and ends by a signal with 0', async (t) => {
    const { run, url } = await serve(t);
    assert.strictEqual(url.hostname, '127.0.0.1');
    const page = (path) => new URL(path, url);
    for (const path of ['/', '/api/overview', '/?token=guessed', '/?token=']) {
      assert.ok([401, 403].includes((await request(page(path))).status), path);
    }
    const entered = await request(url);
    assert.deepStrictEqual([entered.status, entered.headers.location], [303, '/']);
    const [cookie] = entered.headers['set-cookie'][0].split(';');
    assert.match(entered.headers['set-cookie'][0], /HttpOnly; SameSite=Strict/);
    const { data } = JSON.parse((await request(page('/api/overview'), { headers: { cookie } })).text);
    assert.deepStrictEqual(
      data.rows.map(({ stream }) => stream),
      ['letters', 'mails'],
    );
    const rebound = await request(page('/api/overview'), { headers: { cookie, host: `evil.example:${url.port}` } });
    assert.strictEqual(rebound.status, 403);
    run.child.kill('SIGTERM');
    assert.strictEqual(await run.ended, 0);
    assert.strictEqual(run.stderr, '');
  });

  it('is read-only without --actions, and acts with it', async (t) => {
    for (const [args, status] of [
      [[], 403],
      [['--actions'], 200],
    ]) {
      const { url, redis } = await serve(t, ...args);
      const [cookie] = (await request(url)).headers['set-cookie'][0].split(';');
      const headers = { cookie, origin: url.origin, 'content-type': 'application/json', 'x-hfxbus-dashboard': '1' };
      const body = JSON.stringify({ action: 'drop', stream: 'letters', letters: [{ id: '5-1', node: 0 }] });
      const done = await request(new URL('/api/letters', url), { method: 'POST', headers, body });
      assert.strictEqual(done.status, status, done.text);
      assert.strictEqual(await redis.call('XLEN', 'hfxbus:str:letters'), status === 200 ? 0 : 1);
    }
  });

  it('shows the streams that are named, and prints its address as JSON', async (t) => {
    const { run, url } = await serve(t, '--json', '--stream', 'mails');
    assert.strictEqual(JSON.parse(run.stdout).url, url.href);
    const [cookie] = (await request(url)).headers['set-cookie'][0].split(';');
    const { data } = JSON.parse((await request(new URL('/api/overview', url), { headers: { cookie } })).text);
    assert.deepStrictEqual(
      data.rows.map(({ stream }) => stream),
      ['mails'],
    );
  });

  it('refuses an invalid port, a port in use, and a Redis that is away', async (t) => {
    const { url, redis } = await serve(t);
    const where = ['--url', `redis://127.0.0.1:${redis.port}`];
    assert.strictEqual((await hfxbus(['dashboard', '--port', '70000', ...where])).code, 2);
    const used = await hfxbus(['dashboard', '--port', url.port, ...where]);
    assert.deepStrictEqual(
      [used.code, used.stderr],
      [1, `hfxbus: cannot listen on 127.0.0.1:${url.port}: EADDRINUSE\n`],
    );
    redis.kill();
    const away = await hfxbus(['dashboard', '--port', '0', ...where]);
    assert.strictEqual(away.code, 1);
    assert.match(away.stderr, /ECONNREFUSED/);
  });
});
