'use strict';

/** Maximum number of rows in one page. */
const MOST_ROWS = 100;
/** Points of a spark line, and the steps of the history in each: 10 minutes. */
const POINTS = 40;
const STEPS = 3;
const FIGURES = { lag: 0, pending: 1, added: 2, settled: 3 };

const SORTS = {
  state: (row) => ['problem', 'warning', 'ok'].indexOf(row.state),
  lag: (row) => -(row.lag ?? -1),
  pending: (row) => -(row.pending ?? -1),
  oldest: (row) => -(row.oldest ?? -1),
  added: (row) => -(row.added ?? -1),
  settled: (row) => -(row.settled ?? -1),
  failing: (row) => -row.failing,
};

/** Returns the matrix of streams and groups, and the findings of all buses. */
function overview({ buses }, query) {
  const all = buses.flatMap((bus, index) => bus.rows.map((row) => ({ bus: index, row })));
  const text = (query.get('q') ?? '').toLowerCase();
  const state = query.get('state');
  const matches = ({ row }) => {
    const isNamed = `${row.stream} ${row.group ?? ''}`.toLowerCase().includes(text);
    return isNamed && (!state || row.state === state);
  };
  const found = all.filter(matches).sort(comparison(query.get('sort')));
  return {
    totals: totalsOf(all),
    findings: buses.flatMap(({ findings }, bus) => findings.map((finding) => ({ bus, ...finding }))),
    search: searchOf(buses),
    matched: found.length,
    rows: found.slice(0, MOST_ROWS).map(({ bus, row }) => ({ bus, ...shown(row), spark: sparks(buses[bus], row) })),
  };
}

/** Sorts by a column, then by the state, then by name. */
function comparison(sort) {
  const key = Object.hasOwn(SORTS, sort ?? '') ? SORTS[sort] : null;
  const name = ({ row }) => `${row.stream}\n${row.group ?? ''}`;
  return (left, right) => {
    const byKey = key ? key(left.row) - key(right.row) : 0;
    return byKey || left.bus - right.bus || (name(left) < name(right) ? -1 : 1);
  };
}

function shown({ id: _, polledAt: __, ...row }) {
  return row;
}

function sparks({ history, polledAt }, { id }) {
  const series = history.get(id);
  return Object.fromEntries(
    Object.entries(FIGURES).map(([name, at]) => [name, series.spark(at, polledAt ?? 0, POINTS, STEPS)]),
  );
}

function totalsOf(all) {
  const rows = all.map(({ row }) => row);
  const streams = new Map(all.map(({ bus, row }) => [JSON.stringify([bus, row.stream, row.partitions]), row]));
  const total = (list, name) => list.reduce((sum, row) => sum + (row[name] ?? 0), 0);
  return {
    streams: streams.size,
    groups: rows.filter(({ group }) => group !== null).length,
    lag: total(rows, 'lag'),
    pending: total(rows, 'pending'),
    failing: total(rows, 'failing'),
    added: total([...streams.values()], 'added'),
    settled: total(rows, 'settled'),
    deadLetters: total(
      [...streams.values()].filter(({ isDeadLetters }) => isDeadLetters),
      'length',
    ),
    problems: rows.filter(({ state }) => state === 'problem').length,
    warnings: rows.filter(({ state }) => state === 'warning').length,
  };
}

function searchOf(buses) {
  return {
    isComplete: buses.every(({ search }) => search.isComplete),
    reason: buses.map(({ search }) => search.reason).find(Boolean) ?? null,
  };
}

module.exports = { overview, shown, sparks };
