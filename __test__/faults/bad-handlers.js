'use strict';

/** Program with processors that misbehave; it prints the number of free slots afterwards. */
async function misbehave({ hfxbus, options, data, print }) {
  const { ConnectionManager, Consumer, Producer } = hfxbus;
  const connection = ConnectionManager.standalone(options);
  const never = new Promise(() => {});
  const manners = {
    fine: async () => {},
    'throws at once': () => {
      throw new Error('at once');
    },
    'throws nothing': async () => {
      throw undefined;
    },
    'throws a frozen object': async () => {
      throw Object.freeze(new Error('frozen'));
    },
    'never ends': () => never,
    'settles twice': async (job) => {
      await job.resolve();
      await job.resolve?.();
    },
    'rejects what it resolved': async (job) => {
      job.resolve();
      await job.reject?.(new Error('after all'));
    },
    'releases, then resolves': async (job) => {
      job.release();
      await job.resolve();
    },
    'throws when it has resolved': async (job) => {
      await job.resolve();
      throw new Error('late');
    },
    'gives no promise': () => 7,
    'gives a thenable that settles twice': () => ({
      // biome-ignore lint/suspicious/noThenProperty: this is what it is about
      then: (resolve, reject) => {
        resolve();
        reject(new Error('also'));
      },
    }),
  };
  const names = Object.keys(manners);
  const consumer = new Consumer(connection, { group: data.group, concurrency: data.concurrency });
  let started = 0;
  let gate = null;
  let running = 0;
  const processor = (job) => {
    started++;
    if (!gate) return manners[names[Number(job.id) % names.length]](job);
    running++;
    return gate;
  };
  consumer.process({ stream: data.stream, processor, fromId: '0', deadline: 300 });
  consumer.on('error', () => {});
  process.on('unhandledRejection', () => print('unhandled'));
  await consumer.play();
  const producer = new Producer(connection);
  const send = (id) => producer.send({ stream: data.stream, job: producer.job(String(id)) });
  const within = async (condition, ms) => {
    const end = performance.now() + ms;
    while (!condition() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  for (let id = 0; id < data.count; id += 100) {
    await Promise.all(Array.from({ length: Math.min(100, data.count - id) }, (_, index) => send(id + index)));
  }
  let before = -1;
  // As long as something goes on.
  while (started < data.count && started !== before) {
    before = started;
    await within(() => started === data.count, 2000);
  }
  await new Promise((resolve) => setTimeout(resolve, 700));
  const seen = started;
  gate = never;
  await Promise.all(Array.from({ length: 2 * data.concurrency }, (_, index) => send(index)));
  // At most for as long as the deadline lets a place be taken.
  await within(() => running >= data.concurrency, 250);
  print('places', seen, running);
}

const CONCURRENCY = 20;

async function run(trial) {
  const server = await trial.server();
  const count = trial.times(1100, 110);
  const child = trial.child(misbehave, {
    options: server.options,
    data: { stream: trial.stream, group: trial.group, concurrency: CONCURRENCY, count },
  });
  const [started, places] = await child.says('places', 60000).catch(() => [0, 0]);
  const unhandled = child.printed.filter(([word]) => word === 'unhandled').length;
  trial.mark('every job started', started === count);
  trial.mark('as many places as before', places === CONCURRENCY);
  trial.mark('no rejection unhandled', unhandled === 0);
  return trial.report({ jobs: count, started, places: `${places} of ${CONCURRENCY}`, unhandled });
}

module.exports = { id: 'F21', title: 'processors that misbehave', original: true, run };
