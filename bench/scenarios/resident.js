'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const STREAMS = 50;

/** A consumer with many streams that nothing comes in on. */
async function rest(stage, { seconds, streams }) {
  const resident = await stage.role('resident', { streams });
  const { clientCpu, serverCpu, rss } = await stage.measure([resident], async () => {
    await sleep(seconds * 1000);
    return { jobs: 1 };
  });
  return { idleClient: clientCpu / seconds, idleServer: serverCpu / seconds, rss };
}

/** Many consumers of one process, each with a stream of its own, and one producer. */
async function gather(stage, { consumers }) {
  const resident = await stage.role('resident', { consumers });
  await resident.call('begin');
  const { rss } = await resident.call('used');
  return { connections: await stage.connections(), rss };
}

/** Cost of idle consumers. */
const S8 = {
  id: 'S8',
  title: 'consumers at rest',
  cases: [
    { id: 'idle', label: `one with ${STREAMS} streams`, run: rest, streams: STREAMS, seconds: 12 },
    ...[1, 10, 100].map((consumers) => ({
      id: String(consumers),
      label: `${consumers} in a process`,
      run: gather,
      consumers,
    })),
  ],
  run: (stage, { run, ...parameters }) => run(stage, parameters),
};

module.exports = { S8 };
