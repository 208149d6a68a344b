'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { chart } = require('../../bench/chart.js');
const { MARKS, judge, marksTable } = require('../../bench/marks.js');
const { compare } = require('../../bench/results.js');
const scenarios = require('../../bench/scenarios/index.js');

/** A case as a run of one round gives it. */
function caseOf(scenario, id, measured) {
  const rounds = new Map(Object.entries(measured).map(([name, figures]) => [name, [figures]]));
  return {
    scenario,
    id,
    title: 'title',
    label: 'label',
    metrics: compare(rounds),
    measured: Object.fromEntries(rounds),
  };
}

function outcomes(cases) {
  return judge(cases).map(({ of, wanted, measured, isMet }) => [of, wanted, measured?.median, isMet]);
}

describe('marks of the benchmark', () => {
  it('refer to existing cases', () => {
    const ids = Object.values(scenarios).flatMap(({ id, cases }) => cases.map((one) => `${id}/${one.id}`));
    const named = MARKS.flatMap(({ of, over }) => [of, over]).filter(Boolean);
    assert.deepStrictEqual(
      named.filter((one) => !ids.includes(one)),
      [],
    );
    assert.strictEqual(new Set(ids).size, ids.length);
  });

  it('are met or missed by the ratio to 2.2.0', () => {
    const figures = (rate) => ({ rate });
    const cases = [
      caseOf('S1', '1', { ours: figures(12), 'hfxbus@2.2.0': figures(10) }),
      caseOf('S1', '64', { ours: figures(12), 'hfxbus@2.2.0': figures(10) }),
    ];
    assert.deepStrictEqual(outcomes(cases), [
      ['S1/1', '≥ 1.1', 1.2, true],
      ['S1/64', '≥ 2.2', 1.2, false],
    ]);
    assert.match(marksTable(judge(cases)), /S1\/64 .* \| ≥ 2\.2 \| 1\.2 .* \| \*\*missed\*\* \|/);
  });

  it('match peers of any version, and report a missing peer', () => {
    const figures = (rate) => ({ rate });
    const both = judge([caseOf('S4', '16', { ours: figures(3), 'bee-queue@2.0.0': figures(2) })]);
    const found = both.filter(({ measured }) => measured);
    assert.deepStrictEqual(
      found.map(({ what, isMet }) => [what, isMet]),
      [['title, label: jobs/s / bee-queue', true]],
    );
    assert.match(marksTable(both), /raw-ioredis \| ≥ 1 \|\s+\| not measured \|/);
  });

  it('are about figures of ours alone, or of ours in two cases', () => {
    const cases = [
      caseOf('S8', '100', { ours: { connections: 105 } }),
      caseOf('S9', '1', { ours: { serverCpu: 10 } }),
      caseOf('S9', '1000', { ours: { serverCpu: 14 } }),
    ];
    assert.deepStrictEqual(outcomes(cases), [
      ['S8/100', '≤ 104', 105, false],
      ['S9/1000', '≤ 1.5', 1.4, true],
    ]);
  });
});

describe('the chart of the benchmark', () => {
  const found = (cases) => ({
    date: '2026-01-02T03:04:05.678Z',
    machine: { cpu: '2 × <CPU> & more' },
    subjects: { ours: '3', 'hfxbus@2.2.0': '2.2.0', 'bee-queue@2.0.0': '2.0.0' },
    rounds: 1,
    cases,
  });

  it('draws each subject that took part, in proportion to 2.2.0', () => {
    const rates = { ours: { rate: 4000 }, 'hfxbus@2.2.0': { rate: 1000 }, 'bee-queue@2.0.0': { rate: 2000 } };
    const svg = chart(found([caseOf('S4', '16', rates), caseOf('S4', '128', { ours: { rate: 1 } })]));
    const widths = [...svg.matchAll(/<rect [^>]*width="([\d.]+)" height="13"/g)].map(([, width]) => Number(width));
    assert.deepStrictEqual(
      widths.map((width) => width / widths[1]),
      [4, 1, 2],
    );
    for (const words of ['4  (4,000/s)', 'bee-queue@2.0.0', '2026-01-02']) assert.ok(svg.includes(words), words);
  });

  it('escapes what it is given', () => {
    const svg = chart(found([]));
    assert.ok(svg.includes('2 × &lt;CPU> &amp; more'), svg);
  });
});
