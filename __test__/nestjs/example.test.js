'use strict';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { promisify } = require('node:util');
const esbuild = require('esbuild');
const ts = require('typescript');
const { RedisServer } = require('../support/redis-server.js');
const { PROJECT } = require('./nest.js');

const ROOT = path.resolve(__dirname, '..', '..');
const EXAMPLE = path.join(ROOT, 'examples', 'nestjs.ts');

test('docs/nestjs.md shows the example word for word', () => {
  const text = fs.readFileSync(path.join(ROOT, 'docs', 'nestjs.md'), 'utf8');
  const [, code] = /^```ts\n([\s\S]*?)^```$/m.exec(text);
  assert.strictEqual(code, fs.readFileSync(EXAMPLE, 'utf8'));
});

test('docs/nestjs.md names everything that nestjs.d.ts declares', () => {
  const text = fs.readFileSync(path.join(ROOT, 'docs', 'nestjs.md'), 'utf8');
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span).join(' ');
  const source = ts.createSourceFile('nestjs.d.ts', fs.readFileSync(path.join(ROOT, 'nestjs.d.ts'), 'utf8'), 99, true);
  const names = [];
  const collect = (node) => {
    if (node.name && !ts.isParameter(node) && !ts.isImportSpecifier(node)) names.push(node.name.getText());
    ts.forEachChild(node, collect);
  };
  for (const { members = [] } of source.statements) members.forEach(collect);
  const ignored = ['Key', 'T', 'status', 'message', 'code', 'responseTime'];
  assert.ok(names.length > 20, names.join());
  const isNamed = (name) => new RegExp(`\\b${name}\\b`).test(spans);
  assert.deepStrictEqual(
    names.filter((name) => !ignored.includes(name) && !isNamed(name)),
    [],
  );
});

test('the example prints what it says, and ends', { timeout: 30_000 }, async (t) => {
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  const source = fs.readFileSync(EXAMPLE, 'utf8');
  const { code } = esbuild.transformSync(source, {
    loader: 'ts',
    target: 'node18',
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
  });
  // In the project, so that its packages are found.
  const file = path.join(PROJECT, `.example-${process.pid}.mjs`);
  fs.writeFileSync(file, code);
  t.after(() => fs.rmSync(file));
  const env = { ...process.env, REDIS_URL: `redis://127.0.0.1:${redis.port}` };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { env, timeout: 25_000 });
  const expected = [...source.matchAll(/^\/\/ → (.*)$/gm)].map(([, line]) => line);
  assert.deepStrictEqual(stdout.split('\n').filter(Boolean).sort(), expected.sort());
  assert.strictEqual(stderr, '');
});
