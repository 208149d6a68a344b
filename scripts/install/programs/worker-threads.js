'use strict';

const { once } = require('node:events');
const { Worker, isMainThread, workerData } = require('node:worker_threads');
const { ConnectionManager, Consumer, Producer } = require('hfxbus');

/** As many threads as show that the addon is loaded more than once. */
const THREADS = 3;

/** A job there and back, with a consumer and a producer of this thread. */
async function roundTrip(stream) {
  const connection = ConnectionManager.standalone(process.env.REDIS_URL);
  const consumer = new Consumer(connection, { group: 'group' });
  consumer.process({ stream, processor: async (job) => job.set('answer', stream).push() });
  await consumer.play();
  const producer = new Producer(connection);
  await producer.listen();
  const job = producer.job();
  await producer.send({ stream, job, waitFor: ['group'] });
  await job.finished();
  const { answer } = await job.get('answer', false).pull();
  await connection.stop({ maxWait: 1000 });
  if (answer !== stream) throw new Error(`the answer was ${answer}`);
}

async function main() {
  const workers = Array.from(
    { length: THREADS },
    (_, index) => new Worker(__filename, { workerData: `worker${index}` }),
  );
  const [, ...codes] = await Promise.all([roundTrip('main'), ...workers.map((worker) => once(worker, 'exit'))]);
  if (codes.some(([code]) => code !== 0)) throw new Error(`the threads ended with ${codes}`);
  console.log(`${THREADS + 1} threads have had their answers`);
}

(isMainThread ? main() : roundTrip(workerData)).catch((error) => {
  console.error(error);
  process.exit(1);
});
