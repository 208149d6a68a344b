'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { read, ROOT } = require('./documents.js');

const ELSEWHERE = ['node_modules', 'target', 'dist', '.cache', '.git'];
const FENCED = /^ *```[\s\S]*?^ *```$/gm;
const SPAN = /`[^`\n]+`/g;
const LINK = /\]\(([^()\s]+)\)/g;

/** Every document of the repository. */
const documents = markdown('.');

function markdown(folder) {
  return fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(folder, entry.name);
    if (entry.isDirectory()) return ELSEWHERE.includes(entry.name) ? [] : markdown(name);
    return name.endsWith('.md') ? [name] : [];
  });
}

/** Links of a document, but for what only looks like one in code. */
function linksOf(document) {
  const text = read(document).replace(FENCED, '').replace(SPAN, '');
  return [...text.matchAll(LINK)].map(([, target]) => target).filter((target) => !/^[a-z]+:/.test(target));
}

/** Returns the anchors of a document's headings, as GitHub builds them. */
function anchorsOf(document) {
  const headings = read(document)
    .replace(FENCED, '')
    .matchAll(/^#+ (.+)$/gm);
  const seen = new Map();
  return [...headings].map(([, heading]) => {
    const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
    const slug = text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
}

test('links between documents lead to existing files, and to headings in them', () => {
  const broken = documents.flatMap((document) =>
    linksOf(document).flatMap((target) => {
      const [file, anchor] = target.split('#');
      const found = file === '' ? document : path.join(path.dirname(document), file);
      if (!fs.existsSync(path.join(ROOT, found))) return [`${document}: ${target}`];
      if (anchor === undefined || !found.endsWith('.md') || anchorsOf(found).includes(anchor)) return [];
      return [`${document}: ${target}`];
    }),
  );
  assert.deepStrictEqual(broken, []);
});

test('there are many such links, and a heading of several kinds of characters', () => {
  assert.ok(documents.flatMap(linksOf).length > 100);
  assert.ok(anchorsOf('API.md').includes('connectionmanagernodes-nodes--'));
});
