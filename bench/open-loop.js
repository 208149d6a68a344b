'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { atRate } = require('./at-rate.js');
const { percentile } = require('./numbers.js');

/** Maximum duration of an open loop, as a multiple of the duration of its load. */
const PATIENCE = 2;

const SHARES = { p50: 0.5, p90: 0.9, p99: 0.99, p999: 0.999, p9999: 0.9999, max: 1 };

/**
 * Begins requests at a fixed rate, and measures each from its intended start. So a stall counts for every request that was due
 * during the stall. An unanswered request counts with its time until the end.
 * @param {{ seconds: number, rate: number }} load
 * @param {() => Promise<void>} act
 * @returns number of answered requests, and quantiles in ms
 */
async function openLoop(load, act) {
  const requests = [];
  const starts = [];
  const took = [];
  let fail;
  const failure = new Promise((_, reject) => {
    fail = reject;
  });
  // The load ends first.
  failure.catch(() => {});
  await atRate(load, (start, index) => {
    starts.push(start);
    const onAnswer = () => {
      took[index] = performance.now() - start;
    };
    requests.push(act().then(onAnswer).catch(fail));
  });
  const isOver = new AbortController();
  const patience = sleep(load.seconds * (PATIENCE - 1) * 1000, undefined, { signal: isOver.signal }).catch(() => {});
  await Promise.race([failure, Promise.all(requests), patience]).finally(() => isOver.abort());
  return summary(starts, took);
}

/** The rate is that until the last answer. */
function summary(starts, took) {
  const now = performance.now();
  const all = Float64Array.from(starts, (start, index) => took[index] ?? now - start);
  const answers = starts.map((start, index) => start + took[index]).filter((end) => end > 0);
  const rate = answers.length / ((answers.reduce((last, end) => Math.max(last, end), 0) - starts[0]) / 1000);
  all.sort();
  const quantiles = Object.entries(SHARES).map(([name, share]) => [name, percentile(all, share)]);
  return { jobs: answers.length, rate, ...Object.fromEntries(quantiles) };
}

module.exports = { openLoop };
