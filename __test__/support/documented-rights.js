'use strict';

const fs = require('node:fs');
const path = require('node:path');

const FILE = path.resolve(__dirname, '..', '..', 'docs', 'production.md');
const BLOCKS = /^<!-- rights(?: since Redis 7)? -->\n\n```text\n([\s\S]*?)^```$/gm;

/**
 * The rights that docs/production.md says a bus needs.
 * @returns {{ rules: string[], commands: string[], paragraphs: Map<string, string[]> }} rules for every user, commands for all
 *   of them on any version, and the rights below each line that begins with `#`, also those since Redis 7
 */
function documentedRights() {
  const [[, first], ...others] = fs.readFileSync(FILE, 'utf8').matchAll(BLOCKS);
  const words = wordsOf(first);
  const texts = [first, ...others.map(([, text]) => text)].join('').split(/^# /m).slice(1);
  const paragraphs = new Map(
    texts.map((text) => [text.slice(0, text.indexOf('\n')), wordsOf(text.slice(text.indexOf('\n')))]),
  );
  const isCommand = (word) => word.startsWith('+');
  const rules = words.filter((word) => !isCommand(word));
  return { rules, commands: [...new Set(words.filter(isCommand))], paragraphs };
}

/** Returns the rights in a text. */
function wordsOf(text) {
  return text.split('\n').flatMap((line) => (line.startsWith('#') ? [] : line.split(' ').filter(Boolean)));
}

module.exports = { documentedRights };
