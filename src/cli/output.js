'use strict';

const { duration } = require('../inspection/duration.js');

const STYLES = { bold: [1, 22], red: [31, 39], yellow: [33, 39], green: [32, 39] };

/** Returns true if the output is a terminal and NO_COLOR (see no-color.org) is not set. */
function hasColor() {
  return Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;
}

/** Returns the text in a style, or unchanged where colors are off. */
function styled(style, text) {
  if (!hasColor()) return text;
  const [on, off] = STYLES[style];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/**
 * Returns a table as text. The cell `null` is printed as `not known`.
 * @param {string[]} header
 * @param {Array<Array<string | number | null>>} rows
 * @param {(row: number, line: string) => string} [style] applies a style to a line
 */
function table(header, rows, style = (_, line) => line) {
  const cells = [header, ...rows.map((row) => row.map((cell) => (cell === null ? 'not known' : printable(`${cell}`))))];
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
  return [styled('bold', lines[0]), ...lines.slice(1).map((line, row) => style(row, line))].join('\n');
}

/** Returns the name of a server, or the number of several. */
function shortened(nodes) {
  const count = nodes.split(', ').length;
  return count === 1 ? nodes : `${count} nodes`;
}

/** Replaces control characters: any writer to Redis chooses these names, and a terminal must not interpret them. */
function printable(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject of this function
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, '\ufffd');
}

function json(value) {
  console.log(JSON.stringify(value, null, 2));
}

module.exports = { duration, json, printable, shortened, styled, table };
