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

/** Number of entries that a consumer reads ahead: as many as the client of NATS fetches by default. */
const READ_AHEAD = 100;

/** One job at a time, with the next ones at hand. */
const S13 = {
  id: 'S13',
  title: 'drain with read-ahead',
  cases: [
    { id: '1', label: `concurrency 1, ${READ_AHEAD} ahead`, concurrency: 1, readAhead: READ_AHEAD, jobs: 40_000 },
  ],
  run: drain,
};

module.exports = { S3, S13, drain, fillTwice };
