'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { read } = require('./documents.js');

test('CONTRIBUTING.md describes the purpose of exactly the crates in use', () => {
  const [, tables] = read('CONTRIBUTING.md').split('\n## Crates\n');
  const rows = [...tables.split('\n\n')[0].matchAll(/^\| ([^|]+) \|/gm)].slice(1).map(([, names]) => names);
  const written = rows.flatMap((names) => names.split(', '));
  const sections = read('Cargo.toml').split(/^\[/m);
  const wanted = sections.filter((section) => /^(build-|target\..*\.)?dependencies\]/.test(section));
  const used = wanted.flatMap((section) => [...section.matchAll(/^([\w-]+) = /gm)].map(([, name]) => name));
  assert.ok(used.length > 10, used.join());
  // A crate can be there once more for one platform, with further features.
  assert.deepStrictEqual(written.sort(), [...new Set(used)].sort());
});
