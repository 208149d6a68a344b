'use strict';

/**
 * A process that runs jobs numbered from 0 on, notes each number in a bit set, and says at the end of its input how many came,
 * how many came twice, and how many were trimmed. With `data.every` it rests after so many jobs, as long as they took.
 */
async function count({ hfxbus, options, data, print }) {
  const { ConnectionManager, Consumer } = hfxbus;
  const connection = ConnectionManager.standalone(options);
  const consumer = new Consumer(connection, data.consumer);
  const seen = new Uint8Array(Math.ceil(data.count / 8));
  let [distinct, repeated, trimmed, total] = [0, 0, 0, 0];
  let [resting, since] = [null, performance.now()];
  consumer.on('error', (error) => print('error', error.code, error.message));
  consumer.on('trimmed', (event) => {
    trimmed += event.count;
  });
  const processor = async ({ id }) => {
    const number = Number(id);
    const [at, bit] = [number >> 3, 1 << (number & 7)];
    if (seen[at] & bit) repeated++;
    else distinct++;
    seen[at] |= bit;
    total++;
    if (data.every && total % data.every === 0) {
      const rest = performance.now() - since;
      resting = new Promise((resolve) => setTimeout(resolve, rest)).then(() => {
        [resting, since] = [null, performance.now()];
      });
    }
    if (resting) await resting;
  };
  consumer.process({ stream: data.stream, processor });
  await consumer.play();
  print('plays');
  const timer = setInterval(() => {
    if (distinct < data.count) return;
    clearInterval(timer);
    print('all', { distinct, repeated, trimmed });
  }, 50);
  process.on('SIGTERM', async () => {
    print('counted', { distinct, repeated, trimmed });
    await connection.stop({ force: true });
    process.exit(0);
  });
}

/** A process that sends jobs numbered from 0 on, `data.window` at a time, again after BACKLOG_FULL, and says how often that was. */
async function feed({ hfxbus, options, data, print }) {
  const { ConnectionManager, Producer } = hfxbus;
  const connection = ConnectionManager.standalone(options);
  const producer = new Producer(connection);
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  let [next, full] = [0, 0];
  const send = async (id) => {
    for (;;) {
      try {
        await producer.send({ stream: data.stream, job: producer.job(id) });
        return;
      } catch (error) {
        if (error.code !== 'BACKLOG_FULL') throw error;
        full++;
        await sleep(20);
      }
    }
  };
  const work = async () => {
    while (next < data.count) await send(String(next++));
  };
  await Promise.all(Array.from({ length: data.window }, work));
  print('over', full);
  await connection.stop();
}

module.exports = { count, feed };
