'use strict';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const { EXAMPLES, programOf } = require('../support/outbox-relay.js');
const { outbox } = require('./scene.js');

outbox('the shop of the example prints what it says, and ends', async (_t, scene) => {
  const relay = scene.relay();
  const source = fs.readFileSync(path.join(EXAMPLES, 'shop.ts'), 'utf8');
  const env = { ...process.env, DATABASE_URL: scene.url, REDIS_URL: `redis://127.0.0.1:${scene.redis.port}` };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [programOf('shop')], { env, timeout: 30_000 });
  const expected = [...source.matchAll(/^ *\/\/ → (.*)$/gm)].map(([, line]) => line);
  assert.deepStrictEqual([stdout.split('\n').filter(Boolean).sort(), stderr], [expected.sort(), '']);
  assert.strictEqual(relay.stderr, '');
});
