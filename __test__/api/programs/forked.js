'use strict';

/* A forked process: it runs jobs, and sends one on request, until its parent ends it. */

const { file, options, stream, group } = JSON.parse(process.env.HFXBUS_FORKED);
const { ConnectionManager, Consumer, Producer } = require(file);

const connection = ConnectionManager.standalone(options);
const consumer = new Consumer(connection, { group, concurrency: 4, claimInterval: 50, claimDeadline: 500 });
const producer = new Producer(connection);
let ran = 0;

consumer.process({
  stream,
  processor: async (job) => {
    const { number } = await job.get('number', false).pull();
    await job.set('double', number * 2).push();
    ran++;
  },
});

const ANSWERS = {
  ask: async (number) => {
    const job = producer.job();
    await job.set('number', number).push();
    await producer.send({ stream, job, waitFor: [group] });
    await job.finished();
    return (await job.get('double', false).pull()).double;
  },
  end: async () => {
    await consumer.pause();
    await connection.stop();
    return ran;
  },
};

process.on('message', async ([verb, given]) => {
  process.send([verb, await ANSWERS[verb](given)]);
  // Nothing else is left that the process could wait for.
  if (verb === 'end') process.disconnect();
});
consumer.play().then(() => process.send(['plays']));
