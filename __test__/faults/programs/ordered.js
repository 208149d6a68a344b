'use strict';

/** A process that runs the jobs of ordered partitions, and writes the number of each job to a list of its key. */
function consumeOrdered({ hfxbus, options, data, print }) {
  const { ConnectionManager, Consumer } = hfxbus;
  const connection = data.startupNodes
    ? ConnectionManager.cluster(data.startupNodes)
    : ConnectionManager.standalone(options);
  const log = ConnectionManager.standalone(data.log).getClient('log');
  const consumer = new Consumer(connection, data.consumer);
  consumer.process({
    ...data.process,
    fromId: '0',
    deadline: 0,
    processor: async (job) => {
      await log.rpush(`order:${job.key}`, job.id);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * data.work));
      if (Math.random() < data.failing) throw new Error('by chance');
    },
  });
  consumer.on('error', (error) => print('error', error.code, error.message));
  consumer.on('assigned', ({ partition }) => print('owns', partition));
  consumer.on('revoked', ({ partition }) => print('left', partition));
  consumer.play().then(
    () => print('plays'),
    (error) => print('error', error.code, error.message),
  );
}

/** A process that sends numbered jobs to keys in turn, `window` at a time. */
async function produceOrdered({ hfxbus, options, data, print }) {
  const { ConnectionManager, Producer } = hfxbus;
  const connection = data.startupNodes
    ? ConnectionManager.cluster(data.startupNodes)
    : ConnectionManager.standalone(options);
  const producer = new Producer(connection);
  for (let first = 0; first < data.count; first += data.window) {
    const numbers = Array.from({ length: Math.min(data.window, data.count - first) }, (_, at) => first + at);
    const sends = numbers.map((number) => {
      return { ...data.send, key: `k${number % data.keys}`, job: producer.job(`${number}`) };
    });
    await producer.sendAll(sends);
    if (data.pause > 0) await new Promise((resolve) => setTimeout(resolve, data.pause));
  }
  print('over');
  await connection.stop();
}

module.exports = { consumeOrdered, produceOrdered };
