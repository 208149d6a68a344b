'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { judge } = require('../../bench/guarded.js');
const { keepInFlight } = require('../../bench/in-flight.js');
const { percentile, spread } = require('../../bench/numbers.js');
const { compare } = require('../../bench/results.js');
const { written } = require('../../bench/table.js');

describe('figures of the benchmark', () => {
  it('include percentiles', () => {
    const sorted = Array.from({ length: 1000 }, (_, index) => index + 1);
    const found = [0.5, 0.95, 0.99, 0.999, 1].map((share) => percentile(sorted, share));
    assert.deepStrictEqual(found, [500, 950, 990, 999, 1000]);
    assert.strictEqual(percentile([7], 0.5), 7);
  });

  it('have the median between two middle values, least and most', () => {
    assert.deepStrictEqual(spread([9, 1, 5]), { median: 5, min: 1, max: 9 });
    assert.deepStrictEqual(spread([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4 });
  });

  it('have ratios within each round, and only then their median', () => {
    const measured = new Map([
      ['ours', [{ rate: 10 }, { rate: 30 }, { rate: 100 }]],
      ['theirs', [{ rate: 5 }, { rate: 10 }, { rate: 100 }]],
    ]);
    const [{ key, subjects, ratios }] = compare(measured);
    assert.strictEqual(key, 'rate');
    assert.strictEqual(subjects.ours.median, 30);
    assert.deepStrictEqual(ratios.theirs, { median: 2, min: 1, max: 3 });
  });

  it('have no ratio to a subject that does not measure something', () => {
    const measured = new Map([
      ['ours', [{ rate: 10, serverCpu: 4 }]],
      ['theirs', [{ rate: 5, serverCpu: undefined }]],
    ]);
    const [rate, serverCpu] = compare(measured);
    assert.strictEqual(rate.ratios.theirs.median, 2);
    assert.deepStrictEqual(serverCpu.ratios, {});
  });

  it('are written with three digits, or all of those before the point', () => {
    const found = [0.12345, 12.345, 1234.5, 1234567, 0, Number.POSITIVE_INFINITY].map(written);
    assert.deepStrictEqual(found, ['0.123', '12.3', '1,235', '1,234,567', '0', '–']);
  });
});

describe('a load of the benchmark', () => {
  it('keeps as many in flight as asked for, and counts what was done', async () => {
    let [now, most] = [0, 0];
    const done = await keepInFlight({ jobs: 50, inFlight: 8 }, async () => {
      now++;
      most = Math.max(most, now);
      await new Promise(setImmediate);
      now--;
    });
    assert.strictEqual(most, 8);
    assert.strictEqual(done.jobs, 50);
    assert.ok(done.p50 > 0 && done.p50 <= done.p999, JSON.stringify(done));
  });

  it('ends when its time is over, with one job at least', async () => {
    const done = await keepInFlight({ jobs: 1e6, inFlight: 1, seconds: 0.01 }, () => new Promise(setImmediate));
    assert.ok(done.jobs >= 1 && done.jobs < 1e6, `${done.jobs} jobs`);
    const none = await keepInFlight({ jobs: 10, inFlight: 4, seconds: 0 }, async () => {});
    assert.strictEqual(none.jobs, 1);
  });
});

describe('the guard of the benchmark', () => {
  const baseline = { 'S3/128': { ours: [10, 11, 12], theirs: [100, 100, 100] } };
  const verdict = (ours, theirs) => judge(baseline, { 'S3/128': { ours, theirs } })[0].isSlower;

  it('trips when every round costs more than the margin allows', () => {
    assert.strictEqual(verdict([12, 13, 14], [100, 100, 100]), true);
  });

  it('does not trip within the margin, nor on a machine that is slower for both', () => {
    assert.strictEqual(verdict([11, 12, 13], [100, 100, 100]), false);
    assert.strictEqual(verdict([20, 22, 24], [200, 200, 200]), false);
  });

  it('does not trip when most rounds are disturbed, but not all of them', () => {
    assert.strictEqual(verdict([10, 19, 20], [100, 100, 100]), false);
  });
});
