'use strict';

/** The figures as a table in Markdown: medians, with the least and the most in parentheses. */
function table(cases, subjects) {
  const [ours, ...others] = subjects;
  const columns = others.flatMap((other) => [other, `ours / ${other}`]);
  const head = ['scenario', 'metric', ours, ...columns];
  const rows = cases.flatMap((one) => one.metrics.map((metric, at) => row(one, metric, at, { ours, others })));
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function row({ scenario, title, label }, { name, subjects, ratios }, at, { ours, others }) {
  const cells = others.flatMap((other) => [cell(subjects[other]), `**${cell(ratios[other])}**`]);
  return [at === 0 ? `${scenario} ${title}, ${label}` : '', name, cell(subjects[ours]), ...cells];
}

function cell({ median, min, max }) {
  return `${written(median)} (${written(min)}–${written(max)})`;
}

/** Three digits that mean something, and none of the whole ones cut off. */
function written(value) {
  const digits = Math.max(3, Math.ceil(Math.log10(Math.max(value, 1) + 1)));
  return value.toLocaleString('en', { maximumSignificantDigits: digits });
}

module.exports = { table };
