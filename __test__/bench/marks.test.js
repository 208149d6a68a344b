'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { chart } = require('../../bench/chart.js');
const { ladderChart } = require('../../bench/ladder-chart.js');
const { MARKS, areRequiredMet, judge, marksTable } = require('../../bench/marks.js');
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

describe('required marks of the benchmark', () => {
  const sends = (rate) => [caseOf('S12', '1', { ours: { rate }, 'bee-queue@2.0.0': { rate: 10 } })];

  it('are met if the median of each is', () => {
    assert.strictEqual(areRequiredMet(judge(sends(12))), true);
    assert.strictEqual(areRequiredMet(judge(sends(10.5))), false);
    assert.match(marksTable(judge(sends(12))), /S12\/1 .* \| ≥ 1\.1, required \| 1\.2 /);
  });

  it('are not met if the peer is missing, or if no case has one', () => {
    assert.strictEqual(areRequiredMet(judge([caseOf('S12', '1', { ours: { rate: 12 } })])), false);
    assert.strictEqual(areRequiredMet(judge([caseOf('S1', '1', { ours: { rate: 12 } })])), false);
  });

  it('leave the other marks aside', () => {
    const targets = caseOf('S1', '1', { ours: { rate: 1 }, 'hfxbus@2.2.0': { rate: 1 } });
    assert.strictEqual(areRequiredMet(judge([targets, ...sends(12)])), true);
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

describe('the chart of networks', () => {
  const rung = (scenario, delay, times) => {
    const figures = Object.fromEntries(Object.entries(times).map(([name, p50]) => [name, { p50 }]));
    return { ...caseOf(scenario, String(delay), figures), delay };
  };
  const found = {
    date: '2026-01-02T03:04:05.678Z',
    machine: { cpu: 'CPU' },
    network: { means: 'TCP proxy', pings: { 0: 0.1, 1: 1.1, 5: 5.1 } },
    subjects: { ours: '3', 'hfxbus@2.2.0': '2.2.0' },
    rounds: 1,
  };

  it('draws a line for each subject, and counts the trips of its round trip', () => {
    const cases = [
      rung('S15', 0, { ours: 0.2, 'hfxbus@2.2.0': 0.3 }),
      rung('S15', 1, { ours: 2.2, 'hfxbus@2.2.0': 6.3 }),
      rung('S15', 5, { ours: 10.2, 'hfxbus@2.2.0': 30.3 }),
      rung('S16', 0, { ours: 0.4 }),
      rung('S16', 5, { ours: 25.4 }),
    ];
    const svg = ladderChart({ ...found, cases });
    assert.strictEqual([...svg.matchAll(/<polyline /g)].length, 3);
    for (const words of [
      'ours: 10.2 ms, 2.0 trips',
      'hfxbus@2.2.0: 30.3 ms, 6.0 trips',
      'ours, README: 25.4 ms, 5.0 trips',
      'Network by TCP proxy. A PING takes 0.1 ms at 0, 1.1 ms at 1, 5.1 ms at 5',
    ]) {
      assert.ok(svg.includes(words), `${words} is missing in ${svg}`);
    }
  });

  it('is empty without a case', () => {
    assert.doesNotMatch(ladderChart({ ...found, cases: [] }), /polyline|NaN/);
  });
});
