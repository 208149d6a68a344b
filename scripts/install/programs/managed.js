'use strict';

/* A consumer as a process manager runs it. A job's first run never ends, if the job says so. */

const { ConnectionManager, Consumer, gracefulShutdown } = require('hfxbus');

const connection = ConnectionManager.standalone(process.env.REDIS_URL);
const consumer = new Consumer(connection, { group: 'managed', concurrency: 4, claimInterval: 200 });
const runs = connection.getClient('runs');

consumer.process({
  stream: 'managed',
  processor: async (job) => {
    const { endless } = await job.get('endless', false).pull();
    if (endless && (await runs.incr(`runs:${job.id}`)) === 1) await new Promise(() => {});
  },
});

consumer.play().then(() => {
  gracefulShutdown([consumer, connection], { timeout: 1000 });
  process.send('ready');
});
