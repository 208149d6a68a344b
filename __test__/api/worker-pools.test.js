'use strict';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { promisify } = require('node:util');
const { oursWithin } = require('../support/cases.js');

const PROGRAM = path.join(__dirname, 'programs', 'worker-pools.mjs');
const THREADS = 10;
/** Number of threads that end within a job: HFXBUS_WORKERS=200 for a long run. */
const COUNT = Number(process.env.HFXBUS_WORKERS ?? 20);

const ours = oursWithin(30_000 + COUNT * 500);

for (const [pool, count, crash] of [
  ['hfxworker', COUNT, 'the thread has ended'],
  ['piscina', COUNT / 4, 'worker exited with code: 3'],
]) {
  ours(
    `${pool} runs jobs in threads: deadlines and crashes end ${count} of them, and none is left`,
    async (_, scene) => {
      const redis = await scene.server();
      const url = `redis://127.0.0.1:${redis.port}`;
      const args = [PROGRAM, scene.subject.file, url, pool, String(count)];
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 25_000 + COUNT * 500 });
      assert.strictEqual(stderr, '');
      const { made, before, after, during, ...jobs } = JSON.parse(stdout);
      assert.deepStrictEqual(jobs, { first: 55, crashes: [crash], endless: ['DEADLINE_TIMEOUT'], last: [55] });
      assert.ok(made >= count + THREADS, `${made} threads`);
      if (before > 0) assert.deepStrictEqual([during >= before + THREADS, after], [true, before]);
    },
  );
}
