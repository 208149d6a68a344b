'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');

const COMPAT = path.resolve(__dirname, '..', 'compat');
const RULE = /B-\d{3}|[AB]\.\d|D-\d+/g;
/** A case of this package alone, up to the end of its title. */
const CASE = /^ *(?:fix|ours)\(\s*(['`])(.*?)\1,/gms;

test('every rule with cases for this package alone is in the list of known divergences', () => {
  const rows = fs.readFileSync(path.join(COMPAT, 'known-divergences.md'), 'utf8').match(/^\| [^|]*\|/gm);
  const listed = new Set(rows.join().match(RULE));
  const files = fs.readdirSync(COMPAT).filter((file) => file.endsWith('.test.js'));
  const missing = files.flatMap((file) => {
    const titles = [...fs.readFileSync(path.join(COMPAT, file), 'utf8').matchAll(CASE)].map(([, , title]) => title);
    const rules = titles.flatMap((title) => title.match(RULE) ?? []);
    return rules.filter((rule) => !listed.has(rule)).map((rule) => `${rule} in ${file}`);
  });
  assert.ok(listed.size > 50);
  assert.deepStrictEqual(missing, []);
});
