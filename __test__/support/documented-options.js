'use strict';

const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.resolve(__dirname, '..', '..');
const NAME = /`([^`]+)`/g;

/**
 * The options in a table of API.md, which begins with a comment of that name.
 * @returns {Array<{ option: string, verdict: string }>} one for each name; the verdict is what the second column says
 */
function documentedOptions(table) {
  const text = fs.readFileSync(path.join(ROOT, 'API.md'), 'utf8');
  const [, rest] = text.split(`<!-- ${table} -->\n\n`);
  if (rest === undefined) throw new Error(`API.md has no table of ${table}`);
  const [, , ...rows] = rest.slice(0, rest.indexOf('\n\n')).split('\n');
  return rows.flatMap((row) => {
    const [, names, verdict] = row.split('|');
    return [...names.matchAll(NAME)].map(([, option]) => ({ option, verdict: verdict.trim() }));
  });
}

/** Returns true if a Rust file has a test function of that name. */
function hasEngineTest(file, name) {
  return fs.readFileSync(path.join(ROOT, file), 'utf8').includes(` fn ${name}()`);
}

/** Returns true if a file has a test of that title, or a template that begins with it. */
function hasTest(file, title) {
  const text = fs.readFileSync(path.join(ROOT, file), 'utf8');
  return text.includes(`'${title}'`) || text.includes(`\`${title}$\{`);
}

module.exports = { documentedOptions, hasEngineTest, hasTest };
