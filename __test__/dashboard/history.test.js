'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { History, MOST_SERIES } = require('../../src/dashboard/server/bus/history.js');

const STEP = 5000;
const HOUR = 3_600_000;

describe('the history of a dashboard', () => {
  it('keeps an hour, one sample for each step', () => {
    const history = new History();
    for (let at = 0; at < 3 * HOUR; at += 1000) history.add('a', at, [at, -at]);
    const [times, first, second] = history.get('a').columns(2);
    assert.strictEqual(times.length, HOUR / STEP);
    assert.strictEqual(times.at(-1) - times[0], HOUR / 1000 - STEP / 1000);
    assert.deepStrictEqual([first.at(-1), second.at(-1)], [3 * HOUR - 1000, 1000 - 3 * HOUR]);
  });

  it('drops samples older than an hour after a pause', () => {
    const history = new History();
    history.add('a', 0, [1]);
    history.add('a', 2 * HOUR, [2]);
    assert.deepStrictEqual(history.get('a').columns(1), [[(2 * HOUR) / 1000], [2]]);
  });

  it('keeps the series that were written last', () => {
    const history = new History();
    for (let at = 0; at < MOST_SERIES; at++) history.add(`${at}`, STEP, [at]);
    history.add('0', 2 * STEP, [0]);
    history.add('new', 2 * STEP, [0]);
    assert.strictEqual(history.size, MOST_SERIES);
    assert.deepStrictEqual(history.get('1').columns(1), [[], []]);
    assert.deepStrictEqual(history.get('0').columns(1)[1], [0, 0]);
  });

  it('shows the largest value of each point of a line, and gaps', () => {
    const history = new History();
    for (const [step, value] of Object.entries({ 10: 1, 11: 7, 12: 2, 16: null, 17: 4 }))
      history.add('a', step * STEP, [value]);
    assert.deepStrictEqual(history.get('a').spark(0, 17 * STEP, 4, 2), [7, 2, null, 4]);
    assert.deepStrictEqual(history.get('none').spark(0, 17 * STEP, 2, 2), [null, null]);
  });
});
