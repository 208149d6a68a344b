'use strict';

/** A backlog that one consumer runs to its end, with processors that do nothing. */
const S3 = {
  id: 'S3',
  title: 'drain of a backlog',
  cases: [
    { concurrency: 1, jobs: 20_000 },
    { concurrency: 16, jobs: 100_000 },
    { concurrency: 128, jobs: 200_000 },
    { concurrency: 1024, jobs: 200_000 },
  ].map((one) => ({ label: `concurrency ${one.concurrency}`, ...one })),
  async run(stage, { concurrency, jobs }) {
    const warmUp = Math.ceil(jobs / 4);
    const filler = await stage.role('filler');
    await filler.call('fill', 'warm-up', warmUp);
    await filler.call('fill', 'backlog', jobs);
    const drainer = await stage.role('drainer');
    await drainer.call('drain', 'warm-up', warmUp, concurrency);
    return stage.measure([drainer], async () => {
      await drainer.call('drain', 'backlog', jobs, concurrency);
      return { jobs };
    });
  },
};

module.exports = { S3 };
