'use strict';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, it, test } = require('node:test');
const { promisify } = require('node:util');
const esbuild = require('esbuild');
const { WITH_PROGRAMS, blocksOf, read, ROOT } = require('./documents.js');
const { startServers } = require('./documented-servers.js');
const { install } = require('./installed.js');

const PATIENCE = 30_000;

const blocks = WITH_PROGRAMS.flatMap(blocksOf);

test('the documents show the examples word for word', () => {
  const copies = blocks.filter(({ file }) => file);
  assert.deepStrictEqual(
    copies.map(({ file }) => file),
    [
      'examples/consumer.ts',
      'examples/producer.ts',
      'examples/event-store.ts',
      'examples/outbox/outbox.sql',
      'examples/outbox/shop.ts',
      'examples/outbox/relay.ts',
    ],
  );
  for (const { file, code } of copies) assert.strictEqual(code, read(file));
});

describe('documented programs run with the packed package and print what they say', () => {
  let folder;
  let servers;

  before(async () => {
    folder = install();
    // Packages of the examples are found where they are.
    for (const name of ['@opentelemetry', 'zod', 'hfxworker', 'piscina']) {
      fs.symlinkSync(path.join(ROOT, 'node_modules', name), path.join(folder, 'node_modules', name));
    }
    servers = await startServers();
  });

  after(() => servers?.stop());

  for (const { name, language, code, prints } of blocks.filter(({ file }) => !file)) {
    it(name, async () => {
      const file = path.join(folder, `${name.replace(/\W/g, '-')}.mjs`);
      // Not by tsx, which takes half a second for each.
      fs.writeFileSync(file, esbuild.transformSync(code, { loader: language, target: 'node18' }).code);
      const env = { ...process.env, ...servers.variables };
      const run = promisify(execFile)(process.execPath, [file], { cwd: folder, env, timeout: PATIENCE });
      const { stdout, stderr } = await run;
      assert.deepStrictEqual(stdout.split('\n').filter(Boolean), prints);
      assert.strictEqual(stderr, '');
    });
  }
});
