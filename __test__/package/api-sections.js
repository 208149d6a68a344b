'use strict';

const { read } = require('./documents.js');

const FENCED = /^```[\s\S]*?^```$/gm;
const SPAN = /`([^`\n]+)`/g;
const NAME = /[A-Za-z_$][\w$]*/g;

/** The sections of API.md, by their titles; each with those below it, and without its code blocks. */
class ApiSections {
  #lines = read('API.md').replace(FENCED, '').split('\n');

  /** @returns {Section} */
  section(title) {
    const start = this.#lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === title);
    if (start < 0) throw new Error(`API.md has no section '${title}'`);
    const level = levelOf(this.#lines[start]);
    const length = this.#lines.slice(start + 1).findIndex((line) => levelOf(line) > 0 && levelOf(line) <= level);
    return new Section(this.#lines.slice(start, length < 0 ? undefined : start + 1 + length));
  }

  /** Everything. */
  get whole() {
    return new Section(this.#lines);
  }
}

/** Lines of it. */
class Section {
  /** @param {string[]} lines */
  constructor(lines) {
    this.lines = lines;
  }

  /** Names in anything that is written as code. */
  get names() {
    return namesIn(this.lines.join('\n'));
  }

  /**
   * The rows of its tables.
   * @returns {Array<{ names: Set<string>, second: string }>} the names in the first column, and what is in the second
   */
  get rows() {
    const cells = this.lines.filter((line) => line.startsWith('|')).map((line) => line.split('|').slice(1));
    return cells.map(([first, second = '']) => ({ names: namesIn(first), second: second.trim() }));
  }
}

function namesIn(text) {
  return new Set([...text.matchAll(SPAN)].flatMap(([, code]) => code.match(NAME) ?? []));
}

/** Returns the level of a heading; 0 for any other line. */
function levelOf(line) {
  return /^(#*)(?= )/.exec(line)?.[1].length ?? 0;
}

module.exports = { ApiSections, Section };
