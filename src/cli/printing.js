'use strict';

const STYLES = { bold: [1, 22], red: [31, 39], yellow: [33, 39], green: [32, 39] };

/** Whether what is printed is for somebody who sees colours; NO_COLOR is as no-color.org has it. */
function hasColour() {
  return Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;
}

/** Text in a style, where there are any. */
function styled(style, text) {
  if (!hasColour()) return text;
  const [on, off] = STYLES[style];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/**
 * Lines of a table; what a cell does not know is `null`.
 * @param {string[]} header
 * @param {Array<Array<string | number | null>>} rows
 * @param {(row: number, line: string) => string} [style] of a whole line
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

/** Names come from whoever writes to Redis, and are to tell a terminal nothing. */
function printable(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what this is about
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, '\ufffd');
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
];

/** A time in ms, for people. */
function duration(ms) {
  if (ms === null || ms === undefined) return null;
  const [unit, size] = UNITS.find(([, least]) => ms >= least) ?? ['ms', 1];
  return `${Math.floor(ms / size)} ${unit}`;
}

function json(value) {
  console.log(JSON.stringify(value, null, 2));
}

module.exports = { duration, json, printable, styled, table };
