'use strict';

const fs = require('node:fs');
const path = require('node:path');

const FILE = path.resolve(__dirname, '..', '..', 'docs', 'production.md');
const BLOCK = /^<!-- rights -->\n\n```text\n([\s\S]*?)^```$/m;

/**
 * The rights that docs/production.md says a bus needs.
 * @returns {{ rules: string[], commands: string[] }} what a user is made with, but for the commands, and these
 */
function documentedRights() {
  const [, block] = BLOCK.exec(fs.readFileSync(FILE, 'utf8'));
  const words = block.split('\n').flatMap((line) => (line.startsWith('#') ? [] : line.split(' ').filter(Boolean)));
  const commands = words.filter((word) => word.startsWith('+'));
  return { rules: words.filter((word) => !word.startsWith('+')), commands: [...new Set(commands)] };
}

module.exports = { documentedRights };
