'use strict';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const esbuild = require('esbuild');
const { ours } = require('../support/cases.js');

const EXAMPLES = path.resolve(__dirname, '..', '..', 'examples');

ours('the example of an event store prints what it says, and ends', async (t, scene) => {
  const source = fs.readFileSync(path.join(EXAMPLES, 'event-store.ts'), 'utf8');
  // In that folder, so that the package is found by its name.
  const file = path.join(EXAMPLES, `.event-store-${process.pid}.mjs`);
  fs.writeFileSync(file, esbuild.transformSync(source, { loader: 'ts', target: 'node18' }).code);
  t.after(() => fs.rmSync(file));
  const redis = await scene.server();
  const env = { ...process.env, REDIS_URL: `redis://127.0.0.1:${redis.port}` };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { env, timeout: 25_000 });
  const expected = [...source.matchAll(/^\/\/ → (.*)$/gm)].map(([, line]) => line);
  assert.deepStrictEqual([stdout.split('\n').filter(Boolean), stderr], [expected, '']);
});
