'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('../command.js');
const { licensesOf } = require('./licenses.js');

const FILE = 'THIRD-PARTY-NOTICES.md';
/** Files with the text of a licence, and those of them that belong to one licence by their names. */
const TEXT = /^(licen[cs]e|copying|notice|unlicense)/i;
const NAMED = { MIT: /mit/i, 'Apache-2.0': /apache/i, ISC: /isc/i, Zlib: /zlib/i, 'BSD-3-Clause': /bsd/i };

const HEAD = `# Third-party notices

The addon of hfxbus contains the crates below. \`npm run audit -- --write\` writes this file from Cargo.lock.

It also contains Rust's standard library (MIT or Apache-2.0, https://github.com/rust-lang/rust). The addon for Windows contains
start-up code of mingw-w64 (public domain and ZPL-2.1) and libunwind of LLVM (Apache-2.0 with LLVM exception).
`;

/** Returns the notices of crates: their licences, and each text once. */
function noticesOf(crates) {
  const texts = new Map();
  for (const crate of crates) {
    for (const text of textsOf(crate)) texts.set(text, [...(texts.get(text) ?? []), crate]);
  }
  const rows = crates.map(({ name, version, license }) => `| ${name} | ${version} | ${license} |`);
  const table = ['| crate | version | licence |', '|---|---|---|', ...rows].join('\n');
  const sections = [...texts].map(([text, owners]) => {
    const title = owners.map(({ name, version }) => `${name} ${version}`).join(', ');
    return `## ${title}\n\n\`\`\`text\n${text}\n\`\`\`\n`;
  });
  return `${HEAD}\n${table}\n\n${sections.join('\n')}`;
}

/** Returns the texts of the licences that apply to a crate. */
function textsOf({ license, folder }) {
  const names = fs
    .readdirSync(folder)
    .filter((name) => TEXT.test(name) && fs.statSync(path.join(folder, name)).isFile());
  const chosen = licensesOf(license) ?? [];
  const named = chosen.flatMap((one) => names.filter((name) => NAMED[one]?.test(name)));
  const others = names.filter((name) => !Object.values(NAMED).some((pattern) => pattern.test(name)));
  const wanted = named.length >= chosen.length ? named : [...named, ...others];
  return wanted.sort().map((name) => tidy(fs.readFileSync(path.join(folder, name), 'utf8')));
}

/** Returns a text without differences of white space that depend on the author's system. */
function tidy(text) {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  return lines
    .map((line) => line.trimEnd())
    .join('\n')
    .trim();
}

function isFresh(crates) {
  const file = path.join(ROOT, FILE);
  return fs.existsSync(file) && fs.readFileSync(file, 'utf8') === noticesOf(crates);
}

function writeNotices(crates) {
  fs.writeFileSync(path.join(ROOT, FILE), noticesOf(crates));
}

module.exports = { FILE, isFresh, writeNotices };
