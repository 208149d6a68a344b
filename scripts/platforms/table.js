'use strict';

const { format } = require('../counts.js');

const HEADER = ['platform', 'addon', 'file', 'run in', 'trials', 'compat and api'];

/**
 * Formats the rows of platforms as a table of Markdown, with the date below.
 *
 * @param {{ name: string, size?: string, facts?: string, where?: string, left?: string, trials?: Record<string, string>,
 *   tests?: { passed: number, failed: number, skipped: number, leftOut: number }, problems: string[] }[]} rows
 */
function formatTable(rows, date) {
  const lines = [HEADER, HEADER.map(() => '---'), ...rows.map(cellsOf)].map((cells) => `| ${cells.join(' | ')} |`);
  return `${lines.join('\n')}\n\n${date.toISOString().slice(0, 10)}`;
}

function cellsOf({ name, size, facts, where, left, trials = {}, tests }) {
  const trial = Object.entries(trials).map(([title, result]) => `${title}: ${result}`);
  const counted = tests && `${format(tests)}${tests.leftOut > 0 ? `, ${tests.leftOut} files left out` : ''}`;
  return [name, size ? `${size} MB` : '', facts ?? '', where ?? left ?? '', trial.join('; '), counted ?? ''];
}

module.exports = { formatTable };
