'use strict';

const { keys } = require('../support/keys.js');
const { count, feed } = require('./programs/counter.js');

/** Maximum backlog, and its share of all jobs, as a divisor. */
const [LIMIT, SHARE] = [20_000, 10];
const RETAIN_FOR = 500;
/** Number of jobs at size 1. `--size 50` sends ten million. */
const USUAL = 200_000;
/** The slow group rests after that many jobs. */
const REST = { every: 1000 };

/** Retention with two groups, one of them slow: memory stays flat, and each group gets every job. */
async function run(trial) {
  const server = await trial.server();
  const jobs = trial.times(USUAL, 20_000);
  const options = {
    ...server.options,
    retain: 'acknowledged',
    retainFor: RETAIN_FOR,
    backlogLimit: Math.min(LIMIT, jobs / SHARE),
  };
  const key = keys.stream(trial.stream);
  const of = (group, more) => {
    const consumer = { group, concurrency: 1000, claimInterval: 500, claimDeadline: 30_000 };
    return trial.child(count, { options, data: { stream: trial.stream, count: jobs, consumer, ...more } });
  };
  const consumers = [of('fast'), of('slow', REST)];
  await Promise.all(consumers.map((consumer) => consumer.says('plays', 30_000)));
  const began = performance.now();
  const producer = trial.child(feed, { options, data: { stream: trial.stream, count: jobs, window: 500 } });
  const samples = [];
  let isOver = false;
  const look = async () => {
    const [length, memory, info] = await Promise.all([
      server.call('XLEN', key),
      server.call('MEMORY', 'USAGE', key),
      server.call('INFO', 'memory'),
    ]);
    const used = Number(/used_memory:(\d+)/.exec(info)[1]);
    samples.push({ at: performance.now() - began, length, memory: memory ?? 0, used });
  };
  const looking = (async () => {
    while (!isOver) {
      await look();
      await trial.sleep(100);
    }
  })();
  // Far more than any machine takes.
  const patience = 60_000 + jobs;
  const [refused] = await producer.says('over', patience);
  const results = await Promise.all(consumers.map((consumer) => consumer.says('all', patience)));
  const took = performance.now() - began;
  await trial.until(async () => (await server.call('XLEN', key)) === 0);
  isOver = true;
  await looking;
  const peak = (name, part) => Math.max(...part.map((sample) => sample[name]));
  const third = Math.ceil(samples.length / 3);
  const [first, last] = [samples.slice(0, third), samples.slice(-third)];
  const groups = results.map(([result]) => result);
  trial.mark(
    'each group got every job',
    groups.every(({ distinct }) => distinct === jobs),
  );
  trial.mark(
    'nothing was counted as trimmed',
    groups.every(({ trimmed }) => trimmed === 0),
  );
  trial.mark('the slow group held the producer back, or this shows nothing', refused > 0);
  const isFlat = peak('used', last) <= peak('used', first) * 1.2 + 2 ** 20;
  trial.mark('memory is flat: its peak in the last third is at most 1.2 times that of the first', isFlat);
  return trial.report({
    jobs,
    duplicates: groups.reduce((sum, { repeated }) => sum + repeated, 0),
    rate: Math.round((jobs / took) * 1000),
    refused,
    longest: peak('length', samples),
    peaks: [first, last].map((part) => peak('used', part)),
  });
}

module.exports = { id: 'F34', title: 'retention: two groups, one of them slow', run };
