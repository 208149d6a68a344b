'use strict';

const { marksTable } = require('./marks.js');
const { table } = require('./table.js');

/** All that a run has found, for people. */
function report({ date, machine, subjects, missing, rounds, scale, cases, marks }) {
  const where = `${Object.values(machine).join(', ')}; ${date}; ${rounds} rounds, scale ${scale}`;
  const parts = [where, table(cases, Object.keys(subjects))];
  if (marks.length > 0) parts.push(marksTable(marks));
  const failures = cases.flatMap(({ scenario, id, failures: failed }) =>
    Object.entries(failed).map(([subject, why]) => `- ${subject} failed in ${scenario}/${id}: ${why.split('\n')[0]}`),
  );
  const left = Object.entries(missing).map(([subject, why]) => `- ${subject} was left out: ${why.split('\n')[0]}`);
  if (failures.length + left.length > 0) parts.push([...left, ...failures].join('\n'));
  return parts.join('\n\n');
}

module.exports = { report };
