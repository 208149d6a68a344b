'use strict';

/** In how much time a job is to be settled, in ms. */
const BOUND = 5000;
/** After how much time it is given up. */
const LIMIT = 10000;
/** Number of jobs with a wait at the same time. */
const WINDOW = 64;

/** Program that runs short jobs; a job with a number divisible by `data.failing` fails. */
function work({ hfxbus, options, data, print }) {
  const connection = hfxbus.ConnectionManager.standalone(options);
  const consumer = new hfxbus.Consumer(connection, { group: data.group, concurrency: data.window });
  const processor = async (job) => {
    await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 35));
    if (data.failing && Number(job.id) % data.failing === 0) throw new Error('as it has to');
  };
  consumer.process({ stream: data.stream, processor, fromId: '0' });
  consumer.on('error', (error) => print('error', error.code, error.message));
  consumer.play().then(() => print('plays'));
}

/** A process that waits for the jobs that it sends, and says of each how it was settled, and after how many ms. */
async function wait({ hfxbus, options, data, print }) {
  const connection = hfxbus.ConnectionManager.standalone(options);
  const producer = new hfxbus.Producer(connection);
  producer.on('error', (error) => print('error', error.code, error.message));
  const heard = new Set();
  producer.on(data.stream, (_, id) => heard.add(id));
  await producer.listen();
  print('listens');
  let next = 0;
  const call = async () => {
    while (next < data.count) {
      const id = String(next++);
      const start = performance.now();
      const job = await producer.send({
        stream: data.stream,
        job: producer.job(id),
        waitFor: [data.group],
        durable: data.durable,
      });
      const end = await job.finished(data.limit).catch((error) => error);
      const outcome = end[data.group];
      const fails = data.failing > 0 && Number(id) % data.failing === 0;
      const isRight = fails ? outcome?.message === 'as it has to' : outcome instanceof Date;
      const how = end.code === 'FINISH_TIMEOUT' ? 'never' : isRight ? (heard.has(id) ? 'published' : 'asked') : 'wrong';
      print('settled', how, performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  };
  await Promise.all(Array.from({ length: data.window }, call));
  print('over');
}

/** The subscriber's connection is killed again and again, while completions are on their way. */
async function lose(trial, { durable, failing }) {
  const server = await trial.server();
  const count = trial.times(10000, 500);
  const most = trial.times(200, 10);
  const { stream, group } = trial;
  const data = { stream, group, count, durable, failing, window: WINDOW, limit: LIMIT };
  await trial.child(work, { options: server.options, data }).says('plays', 20000);
  const producer = trial.child(wait, { options: server.options, data });
  await producer.says('listens', 20000);
  let isOver = false;
  const over = producer.says('over', 60000 + count * 20).finally(() => {
    isOver = true;
  });
  let kills = 0;
  while (kills < most && !isOver) {
    await trial.sleep(20, 280);
    kills += await server.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  }
  await over;
  const how = { published: 0, asked: 0, never: 0, wrong: 0 };
  let slowest = 0;
  for (const [, way, took] of producer.printed.filter(([word]) => word === 'settled')) {
    how[way]++;
    if (way !== 'never') slowest = Math.max(slowest, took);
  }
  trial.mark('every job settled', how.never === 0 && how.published + how.asked + how.wrong === count);
  trial.mark('each as it ended', how.wrong === 0);
  trial.mark(`within ${BOUND} ms`, slowest <= BOUND);
  trial.mark('completions were lost', how.asked > 0);
  return trial.report({ jobs: count, kills, ...how, slowest: Math.round(slowest) });
}

module.exports = [
  {
    id: 'F11',
    title: 'subscriber killed, durable jobs',
    original: true,
    run: (trial) => lose(trial, { durable: true, failing: 3 }),
  },
  {
    id: 'F11n',
    title: 'subscriber killed, jobs without a record',
    original: true,
    run: (trial) => lose(trial, { durable: false, failing: 0 }),
  },
];
