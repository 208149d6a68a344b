'use strict';

const { fillTwice } = require('./drain.js');

const CONCURRENCY = 128;
/** Number of completions in a burst. The next burst waits for them, since Redis disconnects a slow subscriber. */
const BURST = 10_000;
/** Publishes without a client whose speed would count. */
const PUBLISH = 'for _ = 1, ARGV[3] do redis.call("PUBLISH", ARGV[1], ARGV[2]) end';

/** Completions of a backlog's jobs. The cost is measured in the listening process. */
async function whileDrained(stage, { jobs, seconds }) {
  const [few, many] = await fillTwice(stage, jobs);
  const listener = await stage.role('listener', { streams: ['warm-up', 'backlog'] });
  const drainer = await stage.role('drainer', { isHeard: true });
  const run = async (stream, count) => {
    const done = await drainer.call('drain', stream, { jobs: count, concurrency: CONCURRENCY, seconds });
    await listener.call('hear', stream, done);
    return { jobs: done };
  };
  await run('warm-up', few);
  return stage.measure([listener], () => run('backlog', many));
}

/** As fast as Redis can publish. */
async function flood(stage, { jobs, seconds }) {
  const listener = await stage.role('listener', { streams: ['warm-up', 'backlog'] });
  const [server] = stage.servers;
  const run = async (stream, count) => {
    const { channel, message } = await listener.call('completionOf', stream);
    const end = performance.now() + seconds * 1000;
    let heard = 0;
    while (heard < count && (heard === 0 || performance.now() < end)) {
      const burst = Math.min(BURST, count - heard);
      await server.call('EVAL', PUBLISH, 0, channel, message, burst);
      heard += burst;
      await listener.call('hear', stream, heard);
    }
    return { jobs: heard };
  };
  await run('warm-up', Math.ceil(jobs / 4));
  return stage.measure([listener], () => run('backlog', jobs));
}

/** Completions of all jobs, received by a producer that sends nothing. */
const S7 = {
  id: 'S7',
  title: 'completions heard by a passive producer',
  cases: [
    { id: 'drain', label: `of a backlog, concurrency ${CONCURRENCY}`, run: whileDrained, jobs: 100_000 },
    { id: 'flood', label: 'published by Redis itself', run: flood, jobs: 400_000 },
  ],
  run: (stage, { run, ...parameters }) => run(stage, parameters),
};

module.exports = { S7 };
