'use strict';

const assert = require('node:assert');
const { after, before, describe, it } = require('node:test');
const { createDashboard } = require('../../dashboard.js');
const { ConnectionManager } = require('../../index.js');
const { keys } = require('../support/keys.js');
const { RedisServer } = require('../support/redis-server.js');

const HOST = 'http://bus.example.org';
const HOSTILE = `<img src=x onerror="alert(1)">"'&</script><script>alert(2)</script>`;
const LETTER = ['prd', 'p', 'job', 'one', 'str', 'mails', 'eid', '1-1', 'grp', 'g', 'dlv', '3', 'rsn', 'exhausted'];

describe('a dashboard', () => {
  let redis;
  let connection;
  const open = [];

  before(async () => {
    redis = await RedisServer.start();
    connection = ConnectionManager.standalone(redis.options);
    await redis.call('XADD', keys.stream('letters'), '*', ...LETTER);
    await redis.call('SET', keys.payload('one', 'secret'), 'the password');
    await redis.call('XADD', keys.stream(HOSTILE), '*', 'prd', 'p', 'job', HOSTILE);
  });

  after(async () => {
    await Promise.all(open.map((dashboard) => dashboard.close()));
    await connection.stop({ force: true });
    redis.kill();
  });

  function create(options) {
    const dashboard = createDashboard(connection, options);
    open.push(dashboard);
    return dashboard;
  }

  const get = (dashboard, path, init) => dashboard.fetch(new Request(`${HOST}${path}`, init));
  const post = (dashboard, headers, body = { action: 'drop', stream: 'letters', letters: [] }) => {
    return get(dashboard, '/api/letters', { method: 'POST', headers, body: JSON.stringify(body) });
  };
  const OWN = { 'content-type': 'application/json', 'x-hfxbus-dashboard': '1', origin: HOST };

  it('is not created without authorize or public: true', () => {
    assert.throws(() => createDashboard(connection), /authorize must be a function, or public must be true/);
    assert.throws(() => createDashboard(connection, { authorize: null }), TypeError);
    assert.throws(() => createDashboard(connection, { authorize: 'everybody' }), TypeError);
    assert.throws(() => createDashboard(connection, { public: 'false' }), /public must be true or false/);
    assert.throws(() => createDashboard(connection, { public: true, authorize: () => true }), /not both/);
    assert.throws(() => createDashboard({}, { public: true }), /must be a ConnectionManager/);
    assert.throws(() => createDashboard([connection, {}], { public: true }), /connections\[1\]/);
    assert.throws(() => createDashboard(connection, { public: true, interval: 10 }), RangeError);
    assert.throws(() => createDashboard(connection, { public: true, basePath: '/a?b' }), /basePath/);
  });

  it('answers nothing without authorization, files included', async () => {
    for (const verdict of [false, null, undefined, '', 0, Promise.resolve(false)]) {
      const dashboard = create({ authorize: () => verdict });
      const file = (await (await get(create({ public: true }), '/')).text()).match(/assets\/page[\w.]+js/)[0];
      for (const path of ['/', '/api/overview', '/live/overview', `/${file}`, '/nothing']) {
        const response = await get(dashboard, path);
        assert.strictEqual(response.status, 401, path);
        assert.deepStrictEqual(await response.json(), { message: 'You are not authorized.' });
      }
      assert.strictEqual((await post(dashboard, OWN)).status, 401);
    }
  });

  it('does not tell the error of authorize', async () => {
    const dashboard = create({ authorize: () => Promise.reject(new Error('token s3cret is old')) });
    const response = await get(dashboard, '/api/overview');
    assert.deepStrictEqual([response.status, await response.json()], [500, { message: 'The dashboard has failed.' }]);
  });

  it('sends a strict policy with every response', async () => {
    const dashboard = create({ public: true });
    for (const path of ['/', '/api/overview', '/api/nothing', '/nothing', '/live/nothing']) {
      const { headers } = await get(dashboard, path);
      const policy = headers.get('content-security-policy');
      assert.match(policy, /default-src 'none'.*script-src 'self'.*frame-ancestors 'none'/);
      assert.doesNotMatch(policy, /unsafe|https?:|\*/);
      assert.strictEqual(headers.get('x-frame-options'), 'DENY');
      assert.strictEqual(headers.get('x-content-type-options'), 'nosniff');
      assert.strictEqual(headers.get('access-control-allow-origin'), null);
    }
  });

  it('has a page without inline code, and without anything of other hosts', async () => {
    const page = await (await get(create({ public: true }), '/')).text();
    assert.doesNotMatch(page, /<script(?![^>]* src="assets\/)|<style| on\w+=|style=|https?:\/\//);
  });

  it('is read-only by default', async () => {
    const response = await post(create({ public: true }), OWN);
    assert.deepStrictEqual(
      [response.status, await response.json()],
      [403, { message: 'The dashboard is read-only: see the option actions.' }],
    );
    assert.strictEqual(await redis.call('XLEN', keys.stream('letters')), 1);
  });

  it('refuses an action of another origin, of another site, and without the header of the page', async () => {
    const dashboard = create({ public: true, actions: true });
    const forged = {
      'another origin': { ...OWN, origin: 'http://evil.example' },
      'another scheme and port': { ...OWN, origin: 'https://bus.example.org:8443' },
      'an opaque origin': { ...OWN, origin: 'null' },
      'no origin': { ...OWN, origin: undefined },
      'another site': { ...OWN, 'sec-fetch-site': 'cross-site' },
      'another host of the site': { ...OWN, 'sec-fetch-site': 'same-site' },
      'no header of the page': { ...OWN, 'x-hfxbus-dashboard': undefined },
    };
    for (const [title, headers] of Object.entries(forged)) {
      const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
      assert.strictEqual((await post(dashboard, given)).status, 403, title);
    }
    assert.strictEqual((await post(dashboard, { ...OWN, 'content-type': 'text/plain' })).status, 415);
    assert.strictEqual((await post(dashboard, { ...OWN, 'sec-fetch-site': 'same-origin' })).status, 200);
    assert.strictEqual((await post(dashboard, OWN)).status, 200);
  });

  it('takes the origins of a proxy that changes the host', async () => {
    const dashboard = create({ public: true, actions: true, origins: ['https://ops.example.org/'] });
    assert.strictEqual((await post(dashboard, { ...OWN, origin: 'https://ops.example.org' })).status, 200);
    assert.strictEqual((await post(dashboard, { ...OWN, origin: 'https://ops.example.org.evil' })).status, 403);
  });

  it('refuses large and malformed bodies, and other methods', async () => {
    const dashboard = create({ public: true, actions: true });
    const init = (body, method = 'POST') => ({ method, headers: OWN, body });
    assert.strictEqual((await get(dashboard, '/api/letters', init('x'.repeat(100_000)))).status, 413);
    for (const body of [
      '',
      '{',
      'null',
      '[1]',
      '{"action":"rob","stream":"letters","letters":[]}',
      '{"action":"drop"}',
    ]) {
      assert.strictEqual((await get(dashboard, '/api/letters', init(body))).status, 400, body);
    }
    const letters = [{ id: '1-1', node: 7 }, { id: 'x', node: 0 }, null, { id: '1-1', node: '0' }];
    for (const letter of letters.slice(1)) {
      const body = JSON.stringify({ action: 'drop', stream: 'letters', letters: [letter] });
      assert.strictEqual((await get(dashboard, '/api/letters', init(body))).status, 400, body);
    }
    const gone = await (
      await post(dashboard, OWN, { action: 'drop', stream: 'letters', letters: letters.slice(0, 1) })
    ).json();
    assert.deepStrictEqual([gone.done, gone.missing], [0, 1]);
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      assert.strictEqual((await get(dashboard, '/api/letters', { method, headers: OWN })).status, 405, method);
    }
  });

  it('serves no other files', async () => {
    const dashboard = create({ public: true, basePath: '/bus' });
    const paths = [
      '/assets/../package.json',
      '/assets/%2e%2e/server/dashboard.js',
      '/assets/index.html',
      '/bus/assets//etc/passwd',
    ];
    for (const path of paths) assert.strictEqual((await get(dashboard, path)).status, 404, path);
  });

  it('hides the values of payloads, and shows them with payloads: true', async () => {
    const node = encodeURIComponent(`127.0.0.1:${redis.port}`);
    const path = `/api/payload?job=one&key=secret&node=${node}`;
    assert.strictEqual((await get(create({ public: true }), path)).status, 403);
    const job = await (await get(create({ public: true }), '/api/job?id=one')).text();
    assert.match(job, /"key":"secret".*"bytes":12/);
    assert.doesNotMatch(job, /the password/);
    const { data } = await (await get(create({ public: true, payloads: true }), path)).json();
    assert.deepStrictEqual(data, { size: 12, text: 'the password', isCut: false });
  });

  it('sends hostile names as JSON only', async () => {
    const dashboard = create({ public: true });
    for (const path of [
      '/api/overview',
      `/api/job?id=${encodeURIComponent(HOSTILE)}`,
      `/api/${encodeURIComponent(HOSTILE)}`,
    ]) {
      const response = await get(dashboard, path);
      assert.match(response.headers.get('content-type'), /^application\/json/);
      await response.json();
    }
  });
});
