'use strict';

const { marksTable } = require('./marks.js');
const { table, written } = require('./table.js');

/** All that a run has found, for people. */
function report({ date, machine, network, subjects, missing, rounds, scale, cases, marks }) {
  const where = `${Object.values(machine).join(', ')}; ${date}; ${rounds} rounds, scale ${scale}`;
  const parts = [network ? `${where}\n${networkText(network)}` : where, table(cases, Object.keys(subjects))];
  if (marks.length > 0) parts.push(marksTable(marks));
  const failures = cases.flatMap(({ scenario, id, failures: failed }) =>
    Object.entries(failed).map(([subject, why]) => `- ${subject} failed in ${scenario}/${id}: ${why.split('\n')[0]}`),
  );
  const left = Object.entries(missing).map(([subject, why]) => `- ${subject} was left out: ${why.split('\n')[0]}`);
  if (failures.length + left.length > 0) parts.push([...left, ...failures].join('\n'));
  return parts.join('\n\n');
}

/** Means of the delays, and the time of a PING and its answer for each. */
function networkText({ means, pings }) {
  const figures = Object.entries(pings).sort(([left], [right]) => left - right);
  const texts = figures.map(([delay, time]) => `${written(time)} ms at ${delay}`);
  return `Network by ${means}. A PING takes ${texts.join(', ')}`;
}

module.exports = { networkText, report };
