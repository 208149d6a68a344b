'use strict';

/** A backlog that one consumer runs, with processors that do nothing. */
async function drain(stage, { concurrency, jobs, seconds, ...options }) {
  const [few, many] = await fillTwice(stage, jobs);
  const drainer = await stage.role('drainer', options);
  await drainer.call('drain', 'warm-up', { jobs: few, concurrency, seconds });
  return stage.measure([drainer], async () => ({
    jobs: await drainer.call('drain', 'backlog', { jobs: many, concurrency, seconds }),
  }));
}

/** Writes a backlog, and a quarter of it to warm up with. */
async function fillTwice(stage, jobs) {
  const filler = await stage.role('filler');
  const many = stage.backlog(jobs);
  const few = Math.ceil(many / 4);
  await filler.call('fill', 'warm-up', few);
  await filler.call('fill', 'backlog', many);
  filler.end();
  return [few, many];
}

const S3 = {
  id: 'S3',
  title: 'drain of a backlog',
  cases: [
    { concurrency: 1, jobs: 20_000 },
    { concurrency: 16, jobs: 100_000 },
    { concurrency: 128, jobs: 200_000 },
    { concurrency: 1024, jobs: 200_000 },
  ].map((one) => ({ id: String(one.concurrency), label: `concurrency ${one.concurrency}`, ...one })),
  run: drain,
};

module.exports = { S3, drain, fillTwice };
