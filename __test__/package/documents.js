'use strict';

const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.resolve(__dirname, '..', '..');
/** Documents with programs that run. */
const WITH_PROGRAMS = [
  'README.md',
  'API.md',
  'docs/guarantees.md',
  'docs/testing.md',
  'docs/production.md',
  'docs/recipes.md',
  'docs/outbox.md',
  'docs/dashboard.md',
];

const MARKED = /^<!-- runs(?:: (?<file>\S+))? -->\n```(?<language>[jt]s|sql)\n(?<code>[\s\S]*?)^```$/gm;
const PRINTED = /^ *\/\/ → (.*)$/gm;

function read(file) {
  return fs.readFileSync(path.join(ROOT, file), 'utf8');
}

/** The files in a folder, however deep. */
function filesOf(folder) {
  return fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesOf(name) : [name];
  });
}

/**
 * The code blocks of a document that are marked to run.
 * @returns {{ name: string, file?: string, language: 'js' | 'ts' | 'sql', code: string, prints: string[] }[]} `file` is what a
 *   block is a copy of, `prints` what it says that it prints
 */
function blocksOf(document) {
  const text = read(document);
  return [...text.matchAll(MARKED)].map(({ index, groups: { file, language, code } }) => ({
    name: `${document}:${text.slice(0, index).split('\n').length}`,
    file,
    language,
    code,
    prints: [...code.matchAll(PRINTED)].map(([, line]) => line),
  }));
}

module.exports = { ROOT, WITH_PROGRAMS, blocksOf, filesOf, read };
