'use strict';

const { cell, markdown, written } = require('./table.js');

const ORIGINAL = 'hfxbus@2.2.0';

/**
 * Targets of this package. `of` is a case. The target applies to its `metric` divided by that of `against` in the same round, or
 * by that of ours in the case `over`, or to the metric itself. `--check` fails without a mark that `isRequired`.
 */
const MARKS = [
  ...rates('S1', { 1: 1.1, 64: 2.2, 1024: 5 }),
  ...rates('S2', { 64: 4.2, 1024: 5 }),
  ...rates('S3', { 1: 1.8, 16: 2.4, 128: 4.5, 1024: 6.5 }),
  ...rates('S4', { 1: 2.6, 16: 3.1, 128: 5 }),
  { of: 'S4/16', metric: 'rate', against: 'bee-queue', atLeast: 1 },
  { of: 'S4/16', metric: 'rate', against: 'raw-ioredis', atLeast: 1 },
  { of: 'S4/16', metric: 'p99', against: ORIGINAL, atMost: 0.2 },
  { of: 'S3/128', metric: 'clientCpu', against: ORIGINAL, atMost: 0.15 },
  { of: 'S4/16', metric: 'clientCpu', against: ORIGINAL, atMost: 0.3 },
  { of: 'S4/128', metric: 'clientCpu', against: ORIGINAL, atMost: 0.18 },
  { of: 'S3/128', metric: 'serverCpu', against: ORIGINAL, atMost: 0.35 },
  { of: 'S4/16', metric: 'serverCpu', against: ORIGINAL, atMost: 0.55 },
  ...rates('S6', { '64k': 1.4, '1m': 1.1 }),
  { of: 'S6/1m', metric: 'rss', against: ORIGINAL, atMost: 0.6 },
  ...rates('S7', { drain: 1.4, flood: 1.4 }),
  { of: 'S8/idle', metric: 'idleClient', against: ORIGINAL, atMost: 1 },
  { of: 'S8/100', metric: 'connections', atMost: 104 },
  { of: 'S9/1000', metric: 'serverCpu', over: 'S9/1', atMost: 1.5 },
  required('S4/1', ORIGINAL, 2.3),
  required('S11/1', 'bee-queue', 1.3),
  required('S11/1', ORIGINAL, 3.2),
  required('S11/16', 'bee-queue', 1.6),
  required('S11/128', 'bee-queue', 3),
  required('S12/1', 'bee-queue', 1.1),
  required('S13/1', 'nats', 1.2),
  required('S15/1', ORIGINAL, 2.8),
  required('S15/1', 'bee-queue', 1.4),
];

function required(of, against, atLeast) {
  return { of, metric: 'rate', against, atLeast, isRequired: true };
}

function rates(scenario, wanted) {
  return Object.entries(wanted).map(([id, atLeast]) => ({
    of: `${scenario}/${id}`,
    metric: 'rate',
    against: ORIGINAL,
    atLeast,
  }));
}

/**
 * Returns the result of each target whose case was run.
 * @returns {{ of: string, what: string, wanted: string, isRequired: boolean, measured?: object, isMet?: boolean }[]} `measured` is a spread,
 *   and missing if what it is compared with was not there
 */
function judge(cases) {
  const found = (of) => cases.find(({ scenario, id }) => `${scenario}/${id}` === of);
  return MARKS.filter(({ of }) => found(of)).map((mark) => {
    const measured = measure(mark, found);
    const isMet = measured && (mark.atLeast ? measured.median >= mark.atLeast : measured.median <= mark.atMost);
    const isRequired = mark.isRequired === true;
    return { of: mark.of, what: describe(mark, found), wanted: wish(mark), isRequired, measured, isMet };
  });
}

function measure({ of, metric, against, over }, found) {
  const { subjects, ratios } = metricOf(found(of), metric);
  if (against) return ratios[Object.keys(ratios).find((name) => isNamed(name, against))];
  if (!over) return subjects.ours;
  return found(over) && quotient(subjects.ours, metricOf(found(over), metric).subjects.ours);
}

/** Two cases have no rounds in common: the least is over the most, and the other way round. */
function quotient(above, below) {
  return { median: above.median / below.median, min: above.min / below.max, max: above.max / below.min };
}

function metricOf({ metrics }, key) {
  return metrics.find((metric) => metric.key === key) ?? { subjects: {}, ratios: {} };
}

function isNamed(name, wanted) {
  return name === wanted || name.split('@')[0] === wanted;
}

function describe({ of, metric, against, over }, found) {
  const { title, label, metrics } = found(of);
  const name = metrics.find(({ key }) => key === metric)?.name.split(',')[0] ?? metric;
  const compared = against ? ` / ${against}` : over ? ` / ${over}` : '';
  return `${title}, ${label}: ${name}${compared}`;
}

function wish({ atLeast, atMost }) {
  return atLeast ? `≥ ${written(atLeast)}` : `≤ ${written(atMost)}`;
}

/** Returns true if there are required marks, and all of them are met. */
function areRequiredMet(judged) {
  const some = judged.filter(({ isRequired }) => isRequired);
  return some.length > 0 && some.every(({ isMet }) => isMet);
}

/** The marks as a table in Markdown. */
function marksTable(judged) {
  const rows = judged.map(({ of, what, wanted, isRequired, measured, isMet }) => {
    const outcome = measured ? (isMet ? 'met' : '**missed**') : 'not measured';
    return [`${of} ${what}`, isRequired ? `${wanted}, required` : wanted, cell(measured), outcome];
  });
  return markdown(['mark', 'target', 'measured', 'result'], rows);
}

module.exports = { MARKS, areRequiredMet, judge, marksTable };
