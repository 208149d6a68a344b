'use strict';

/* That docs/troubleshooting.md has an entry for each code that the package can give, and API.md each of them. */

const assert = require('node:assert');
const { test } = require('node:test');
const { filesOf, read } = require('./documents.js');

const ROW = /^\| *(`[^|]+`) *\|/gm;
const NAMED = /`([A-Z][A-Z\d_]{2,})`/g;

const entries = new Set(all(read('docs/troubleshooting.md'), ROW).flatMap((cell) => all(cell, NAMED)));

function all(text, pattern) {
  return [...text.matchAll(pattern)].map(([, found]) => found);
}

/** Returns the files of a folder with a given ending, at any depth. */
function files(folder, ending) {
  return filesOf(folder).filter((name) => name.endsWith(ending));
}

/** Those of some codes that have no entry; of too few there was something wrong with looking for them. */
function missing(codes, least, written = entries) {
  assert.ok(codes.length >= least, `${codes.length} codes`);
  return [...new Set(codes)].filter((code) => !written.has(code));
}

test('every code in the tables and sentences of API.md about errors has an entry', () => {
  const text = read('API.md');
  const section = (title) => text.split(`\n${title}\n`)[1].split(/\n#{2,3} /)[0];
  const tables = ['## Errors', '### TLS'].flatMap((title) => all(section(title), ROW));
  const refused = /refuse a settlement\s+for\s+a\s+while\s+\(([^)]+)\)/.exec(text)[1];
  const codes = [...tables, refused, section('## Errors')].flatMap((found) => all(found, NAMED));
  assert.deepStrictEqual(missing(codes, 40), []);
});

test('every code in index.d.ts has an entry', () => {
  const text = read('index.d.ts');
  const listed = all(text, /^ *\* (?:\||-) (`[A-Z_]+`)/gm).flatMap((found) => all(found, NAMED));
  const typed = all(text, /code: ((?:'[A-Z_]+'(?: \| )?)+)/g).flatMap((found) => all(found, /'([A-Z_]+)'/g));
  assert.deepStrictEqual(missing([...listed, ...typed], 20), []);
});

test('every code that JavaScript or the engine sets has an entry, and is in API.md', () => {
  const scripts = files('src/facade', '.js').flatMap((file) => all(read(file), /'([A-Z]+(?:_[A-Z\d]+)+)'/g));
  const isCode = /"(E[A-Z]{4,}|[A-Z]+(?:_[A-Z\d]+)+)"/g;
  const engine = ['src/engine', 'src/redis_io'].flatMap((folder) => files(folder, '.rs'));
  const codes = [...scripts, ...engine.flatMap((file) => all(read(file), isCode))];
  // EXISTS is a command.
  const others = ['DISTRIBUTED_ROUTING', 'NODE_EXTRA_CA_CERTS', 'CARGO_PKG_VERSION', 'EXISTS'];
  const named = codes.filter((name) => !others.includes(name));
  assert.deepStrictEqual(missing(named, 50), []);
  assert.deepStrictEqual(missing(named, 50, new Set(all(read('API.md'), NAMED))), []);
});
