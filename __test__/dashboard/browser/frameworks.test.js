'use strict';

/* The programs of docs/dashboard.md, with the packed package and the frameworks of the npm registry. */

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { pathToFileURL } = require('node:url');
const { runNpm } = require('../../../scripts/command.js');
const { ROOT, read } = require('../../package/documents.js');
const { install } = require('../../package/installed.js');
const { keys } = require('../../support/keys.js');
const { RedisServer, freePort } = require('../../support/redis-server.js');
const { until } = require('../../support/wait-until.js');

const CACHE = path.join(ROOT, '.cache', 'dashboard');
const PACKAGES = ['express@5', 'fastify@5', 'koa@3', 'hono@4', '@hono/node-server@1', 'rxjs@7', 'reflect-metadata@0'];
const NEST = ['@nestjs/core@11', '@nestjs/common@11', '@nestjs/platform-express@11'];
const BLOCK = /^<!-- framework: (\S+) -->\n```js\n([\s\S]*?)^```$/gm;
const COOKIE = { cookie: 'login=ann' };

const programs = [...read('docs/dashboard.md').matchAll(BLOCK)].map(([, name, code]) => ({ name, code }));

describe('a documented program with a dashboard', () => {
  let folder;
  let redis;

  before(async () => {
    fs.mkdirSync(CACHE, { recursive: true });
    fs.writeFileSync(path.join(CACHE, 'package.json'), '{ "private": true }');
    await runNpm(['install', '--no-audit', '--no-fund', '--silent', ...PACKAGES, ...NEST], { cwd: CACHE, show: false });
    folder = install();
    const modules = path.join(folder, 'node_modules');
    for (const name of fs.readdirSync(path.join(CACHE, 'node_modules'))) {
      const link = path.join(modules, name);
      if (!fs.existsSync(link)) fs.symlinkSync(path.join(CACHE, 'node_modules', name), link);
    }
    for (const { name, code } of programs) fs.writeFileSync(path.join(folder, name.replace(/(\.mjs)?$/, '.mjs')), code);
    const file = path.join(folder, 'dashboard.mjs');
    // A test of actions as well.
    fs.writeFileSync(
      file,
      fs.readFileSync(file, 'utf8').replace("basePath: '/bus',", "basePath: '/bus',\n  actions: true,"),
    );
    redis = await RedisServer.start();
  });

  after(() => redis?.kill());

  it('is there for each framework', () => {
    const names = programs.map(({ name }) => name);
    assert.deepStrictEqual(names, ['dashboard.mjs', 'http', 'express', 'fastify', 'nest', 'koa', 'hono', 'next']);
  });

  async function addLetter() {
    const fields = ['prd', 'p', 'job', 'one', 'str', 'mails', 'eid', '1-1', 'grp', 'g', 'dlv', '3', 'rsn', 'exhausted'];
    return redis.call('XADD', keys.stream('letters'), '*', ...fields);
  }

  /** Tries everything that a framework can break. */
  async function tryOut(send, origin) {
    const id = await addLetter();
    assert.strictEqual((await send('/bus/')).status, 401);
    const page = await send('/bus/', { headers: COOKIE });
    assert.strictEqual(page.status, 200);
    assert.match(page.headers.get('content-security-policy'), /^default-src 'none'/);
    const [file] = /assets\/page\.\w+\.js/.exec(await page.text());
    assert.strictEqual((await send(`/bus/${file}`, { headers: COOKIE })).status, 200);
    const { data } = await (await send('/bus/api/overview?q=let', { headers: COOKIE })).json();
    assert.deepStrictEqual(
      data.rows.map(({ stream }) => stream),
      ['letters'],
    );
    const short = await send('/bus', { headers: COOKIE, redirect: 'manual' });
    assert.deepStrictEqual([short.status, short.headers.get('location')], [308, 'bus/']);
    const events = (await send('/bus/live/overview', { headers: COOKIE })).body.getReader();
    let text = '';
    while (!text.includes('data: {')) text += Buffer.from((await events.read()).value).toString();
    await events.cancel();
    const headers = { ...COOKIE, origin, 'content-type': 'application/json', 'x-hfxbus-dashboard': '1' };
    const body = JSON.stringify({ action: 'drop', stream: 'letters', letters: [{ id, node: 0 }] });
    const done = await send('/bus/api/letters', { method: 'POST', headers, body });
    assert.deepStrictEqual([done.status, (await done.json()).done], [200, 1]);
    assert.strictEqual(await redis.call('XLEN', keys.stream('letters')), 0);
  }

  for (const { name } of programs.filter((one) => !['dashboard.mjs', 'next'].includes(one.name))) {
    it(`runs with ${name}`, async (t) => {
      const port = await freePort();
      const env = { ...process.env, PORT: `${port}`, REDIS_URL: `redis://127.0.0.1:${redis.port}` };
      delete env.NODE_TEST_CONTEXT;
      const child = spawn(process.execPath, [`${name}.mjs`], {
        cwd: folder,
        env,
        stdio: ['ignore', 'inherit', 'pipe'],
      });
      let said = '';
      child.stderr.on('data', (chunk) => {
        said += chunk;
      });
      t.after(() => child.kill('SIGKILL'));
      const url = `http://127.0.0.1:${port}`;
      const isUp = () =>
        fetch(`${url}/`).then(
          () => true,
          () => child.exitCode !== null,
        );
      await until(isUp, { timeout: 30_000, what: name });
      assert.strictEqual(child.exitCode, null, said);
      await tryOut((where, init) => fetch(`${url}${where}`, init), url);
      assert.strictEqual(said, '');
    });
  }

  it('has the functions that Next calls', async () => {
    process.env.REDIS_URL = `redis://127.0.0.1:${redis.port}`;
    const { GET, POST } = await import(pathToFileURL(path.join(folder, 'next.mjs')));
    const { dashboard } = await import(pathToFileURL(path.join(folder, 'dashboard.mjs')));
    const origin = 'http://localhost:3000';
    try {
      await tryOut(
        (where, init = {}) => (init.method === 'POST' ? POST : GET)(new Request(`${origin}${where}`, init)),
        origin,
      );
    } finally {
      await dashboard.close();
    }
  });
});
