'use strict';

const { AssertionError } = require('node:assert');
const { setTimeout: sleep } = require('node:timers/promises');

/** Interval between two checks of a condition, in ms. */
const EVERY = 4;

/**
 * Waits until a condition holds, and gives what it returned.
 * @template T
 * @param {() => T | Promise<T>} condition holds when it returns something truthy
 */
async function until(condition, { timeout = 8000, what = condition } = {}) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) {
      throw new AssertionError({ message: `not within ${timeout} ms: ${what}`, stackStartFn: until });
    }
    await sleep(EVERY);
  }
}

/** Fails as soon as a condition does not hold any more; for what has no later event to be seen by. */
async function stays(condition, ms) {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    if (!(await condition())) {
      throw new AssertionError({ message: `did not stay for ${ms} ms: ${condition}`, stackStartFn: stays });
    }
    await sleep(EVERY);
  }
}

module.exports = { until, stays };
