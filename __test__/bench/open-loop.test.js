'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { atRate } = require('../../bench/at-rate.js');
const { openLoop } = require('../../bench/open-loop.js');

const never = () => new Promise(() => {});

describe('an open loop of the benchmark', () => {
  it('begins each request at its time, without the answers to earlier ones', async () => {
    const starts = [];
    const lateness = [];
    await atRate({ rate: 500, seconds: 0.2 }, (start, index) => {
      lateness.push(performance.now() - start);
      starts[index] = start;
    });
    assert.strictEqual(starts.length, 100);
    assert.ok(lateness.every((time) => time >= 0));
    const intervals = starts.slice(1).map((start, index) => start - starts[index]);
    assert.ok(
      intervals.every((interval) => Math.abs(interval - 2) < 1e-6),
      intervals.join(),
    );
  });

  it('counts a stall for every request that was due during the stall', async () => {
    let isFirst = true;
    const { jobs, p50, max } = await openLoop({ rate: 1000, seconds: 0.1 }, async () => {
      if (!isFirst) return;
      isFirst = false;
      const end = performance.now() + 100;
      while (performance.now() < end);
    });
    assert.strictEqual(jobs, 100);
    assert.ok(max >= 100, `maximum ${max}`);
    // The requests themselves take no time.
    assert.ok(p50 >= 45, `p50 ${p50}`);
  });

  it('counts an unanswered request with its time until the end', async () => {
    let count = 0;
    const { jobs, max, p50 } = await openLoop({ rate: 100, seconds: 0.1 }, () =>
      count++ < 9 ? Promise.resolve() : never(),
    );
    assert.strictEqual(jobs, 9);
    assert.ok(p50 < max && max >= 100, `p50 ${p50}, maximum ${max}`);
  });

  it('fails with the error of a request', async () => {
    await assert.rejects(
      openLoop({ rate: 1000, seconds: 0.01 }, () => Promise.reject(new Error('wrong answer'))),
      { message: 'wrong answer' },
    );
  });
});
