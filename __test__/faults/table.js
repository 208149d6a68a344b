'use strict';

const { markdown } = require('../../bench/table.js');

const HEAD = ['fault', '', 'of', 'sent', 'lost', 'twice', 'recovery', 'took', 'result'];

/** The results as a table in Markdown. */
function table(results) {
  const rows = results.map((result) => [
    result.id,
    result.title,
    result.subject,
    result.sent,
    result.lost,
    result.duplicates,
    result.recovery === null ? undefined : `${result.recovery} ms`,
    `${(result.took / 1000).toFixed(1)} s`,
    result.misses.length === 0 ? 'pass' : `missed: ${result.misses.join('; ')}`,
  ]);
  return markdown(
    HEAD,
    rows.map((cells) => cells.map((cell) => cell ?? '')),
  );
}

module.exports = { table };
