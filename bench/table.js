'use strict';

const OURS = 'ours';

/** The figures as a table in Markdown: medians, with the least and the most in parentheses. */
function table(cases, subjects) {
  const others = subjects.filter((name) => name !== OURS);
  const head = ['scenario', 'metric', OURS, ...others.flatMap((other) => [other, `ours / ${other}`])];
  const rows = cases.flatMap((one) => one.metrics.map((metric, at) => row(one, metric, at, others)));
  return markdown(head, rows);
}

function row({ scenario, id, title, label }, { name, subjects, ratios }, at, others) {
  const cells = others.flatMap((other) => [cell(subjects[other]), bold(cell(ratios[other]))]);
  return [at === 0 ? `${scenario}/${id} ${title}, ${label}` : '', name, cell(subjects[OURS]), ...cells];
}

/** Median, least and most; nothing where nothing was measured. */
function cell(spread) {
  if (!spread) return '';
  return `${written(spread.median)} (${written(spread.min)}–${written(spread.max)})`;
}

function bold(text) {
  return text && `**${text}**`;
}

/** Three digits that mean something, and none of the whole ones cut off. What was too little to be divided by has none. */
function written(value) {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.max(3, Math.ceil(Math.log10(Math.max(value, 1) + 1)));
  return value.toLocaleString('en', { maximumSignificantDigits: digits });
}

/**
 * Returns a table in Markdown, for documents. The command line prints a padded table for terminals (`src/cli/output.js`).
 * The two share no code: Markdown needs no column widths, no colors and no replacement of control characters.
 */
function markdown(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

module.exports = { cell, markdown, table, written };
