'use strict';

/* That the commands of docs/recipes.md make bundles that run. */

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { findProgram } = require('../../scripts/redis-program.js');
const { startServer } = require('../../scripts/redis-server.js');
const { read, ROOT } = require('./documents.js');
const { install } = require('./installed.js');

const BLOCK = /^<!-- bundles: (?<kind>\w+) -->\n```sh\n(?<commands>[\s\S]*?)^```$/gm;
const PROGRAM = `
const { ConnectionManager, Job } = require('hfxbus');
const connection = ConnectionManager.standalone(process.env.REDIS_URL);
async function main() {
  const job = new Job(connection.getClient('mine'), 'bundled');
  await job.set('value', 'hello').push();
  console.log((await job.get('value', false).pull()).value);
  await connection.stop();
}
main();
`;

const blocks = [...read('docs/recipes.md').matchAll(BLOCK)].map(({ groups }) => groups);

describe('a program that is bundled as docs/recipes.md says', () => {
  let folder;
  let redis;

  before(async () => {
    folder = install();
    fs.writeFileSync(path.join(folder, 'program.js'), PROGRAM);
    redis = await startServer(findProgram());
  });

  after(() => redis?.stop());

  it('is said twice', () => {
    assert.deepStrictEqual(
      blocks.map(({ kind }) => kind),
      ['external', 'beside'],
    );
  });

  for (const { kind, commands } of blocks) {
    it(`runs: ${kind}`, () => {
      const dist = path.join(folder, 'dist');
      fs.rmSync(dist, { recursive: true, force: true });
      const programs = path.join(ROOT, 'node_modules', '.bin');
      const env = { ...process.env, PATH: `${programs}${path.delimiter}${process.env.PATH}` };
      execFileSync('sh', ['-ec', commands], { cwd: folder, env, stdio: 'pipe' });
      // A bundle that has everything is run where nothing is installed.
      const place = kind === 'beside' ? path.join(path.dirname(folder), `${path.basename(folder)}-dist`) : dist;
      if (place !== dist) fs.renameSync(dist, place);
      const variables = { ...process.env, REDIS_URL: `redis://127.0.0.1:${redis.port}` };
      try {
        const printed = execFileSync(process.execPath, ['program.js'], {
          cwd: place,
          env: variables,
          encoding: 'utf8',
        });
        assert.strictEqual(printed, 'hello\n');
      } finally {
        fs.rmSync(place, { recursive: true });
      }
    });
  }
});
