'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, describe, it } = require('node:test');
const { hfxbus } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { RedisCluster } = require('../support/redis-cluster.js');
const { RedisServer, freePort } = require('../support/redis-server.js');
const { everyVerb, fill } = require('./bus.js');

describe('npx hfxbus over unix sockets', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-cli-'));
  const file = path.join(folder, 'redis.sock');
  after(() => fs.rmSync(folder, { recursive: true }));

  it('works by the path of a socket, by its URL and by REDIS_URL', async (t) => {
    const redis = await RedisServer.start('--unixsocket', file);
    t.after(() => redis.kill());
    for (const where of [['--url', file], ['--url', `unix://${file}`], []]) {
      await redis.call('FLUSHALL');
      await fill((...words) => redis.call(...words));
      const { nodes } = await everyVerb(where, { variables: { REDIS_URL: file } });
      assert.deepStrictEqual(nodes, [file]);
    }
  });

  it('takes password and database from the URL, and shows no password', async (t) => {
    const redis = new RedisServer(await freePort(), ['--unixsocket', file, '--requirepass', 'secret'], 'secret');
    await redis.start();
    t.after(() => redis.kill());
    await redis.call('SELECT', '3');
    await redis.call('XADD', keys.stream('third'), '*', 'prd', 'p', 'job', 'j');
    const { code, stdout, stderr } = await hfxbus(['inspect', '--url', `unix://${file}?pass=secret&db=3`]);
    assert.deepStrictEqual([code, stderr], [0, '']);
    assert.match(stdout, /^third /m);
    assert.doesNotMatch(stdout, /secret/);
    const wrong = await hfxbus(['inspect', '--url', `unix://${file}?pass=guessed`]);
    assert.strictEqual(wrong.code, 1);
    assert.match(wrong.stderr, new RegExp(`^hfxbus: ${file}: `));
    assert.doesNotMatch(wrong.stderr, /guessed/);
  });

  it('names the missing socket without a password, and exits with 1', async () => {
    const { code, stdout, stderr } = await hfxbus(['doctor', '--url', `unix://${folder}/nothing?pass=secret`]);
    assert.deepStrictEqual([code, stdout], [1, '']);
    assert.match(stderr, new RegExp(`^hfxbus: ${folder}/nothing: .*ENOENT`));
    assert.doesNotMatch(stderr, /secret/);
  });

  it('finds the other nodes of a Cluster by the socket of one', async (t) => {
    let nodes = 0;
    const start = (...args) => RedisServer.start(...args, '--unixsocket', path.join(folder, `node-${nodes++}.sock`));
    const cluster = await RedisCluster.start({ kind: { start } });
    t.after(() => cluster.kill());
    await fill((...words) => cluster.call(...words));
    await everyVerb(['--url', path.join(folder, 'node-0.sock')]);
  });
});
