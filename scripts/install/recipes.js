'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('../command.js');

const MARKED = /^<!-- bundles: (?<name>.+) -->\n(?<blocks>(?:```\w+\n[\s\S]*?^```\n)+)/gm;
const BLOCK = /^```(?<language>\w+)\n(?<text>[\s\S]*?)^```$/gm;
/** A block that is a file begins with its name. */
const FILE = /^\/\/ (?<name>\S+)\n/;

/**
 * The bundles of docs/recipes.md.
 *
 * @returns {{ name: string, isOutside: boolean, files: Record<string, string>, commands: string }[]} `files` are the settings
 *   by file name; `isOutside` says that the package is not in the bundle
 */
function recipes() {
  const text = fs.readFileSync(path.join(ROOT, 'docs', 'recipes.md'), 'utf8');
  return [...text.matchAll(MARKED)].map(({ groups: { name, blocks } }) => {
    const found = [...blocks.matchAll(BLOCK)].map(({ groups }) => groups);
    const files = found.filter(({ language }) => language !== 'sh').map((block) => [nameOf(block), block.text]);
    const [commands] = found.filter(({ language }) => language === 'sh');
    return { name, isOutside: name.includes('outside'), files: Object.fromEntries(files), commands: commands.text };
  });
}

function nameOf({ text }) {
  const { name } = FILE.exec(text)?.groups ?? {};
  if (!name) throw new Error(`a file of docs/recipes.md has no name:\n${text}`);
  return name;
}

/** Writes a recipe's settings, and the programs that are bundled, into a project with an empty folder `dist`. */
function layOut({ files }, folder) {
  fs.rmSync(path.join(folder, 'dist'), { recursive: true, force: true });
  fs.mkdirSync(path.join(folder, 'dist'));
  const programs = path.join(__dirname, 'programs');
  for (const name of ['js', 'mjs']) {
    fs.copyFileSync(path.join(programs, `bundled.${name}`), path.join(folder, `program.${name}`));
  }
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text);
}

/** The programs that a recipe has made in a folder: at least one. */
function programsIn(folder) {
  const names = fs.readdirSync(folder).filter((name) => /^(program|index)\.[cm]?js$/.test(name));
  if (names.length === 0) throw new Error(`there is no program among ${fs.readdirSync(folder)}`);
  return names;
}

module.exports = { recipes, layOut, programsIn };
