'use strict';

/** A process that runs the jobs of streams on a Cluster, or on several nodes. Each job has its number in a payload key. */
function consumeSpread({ hfxbus, data, connect, print }) {
  const consumer = new hfxbus.Consumer(connect(data), data.consumer);
  consumer.on('error', (error) => print('error', error.code, error.message));
  const [least, most] = data.work ?? [0, 0];
  const processor = async (job) => {
    print('start', Number(job.id));
    if (most > 0) await new Promise((resolve) => setTimeout(resolve, least + Math.random() * (most - least)));
    const { body } = await job.get('body', false).pull();
    if (body !== Number(job.id)) print(body === null ? 'absent' : 'wrong', Number(job.id));
    print('done', Number(job.id));
  };
  for (const stream of data.streams) {
    const { partitions, fair, limit } = data;
    consumer.process({ stream, partitions, fair, limit, processor, fromId: '0' });
  }
  consumer.play().then(() => print('plays'));
}

/**
 * A process that sends numbered jobs to the streams in turn, to `data.keys` keys in turn if these have partitions, until it has sent
 * `data.count` of them and gets SIGTERM. It waits for each, and says how and after how many ms that ended.
 */
function produceSpread({ hfxbus, data, connect, print }) {
  const producer = new hfxbus.Producer(connect(data, { completions: data.completions }));
  producer.on('error', (error) => print('error', error.code, error.message));
  const [waits, pause] = [[], () => new Promise((resolve) => setTimeout(resolve, data.pace))];
  let [next, isOver] = [0, false];
  process.once('SIGTERM', () => {
    isOver = true;
  });
  const settled = async (job) => {
    const start = performance.now();
    const ends = await job.finished(data.patience).catch((error) => error);
    const end = ends[data.group] ?? ends;
    print('settled', end instanceof Date ? 'DONE' : (end.code ?? String(end)), performance.now() - start);
  };
  const call = async () => {
    while (next < data.count || !isOver) {
      const id = next++;
      try {
        const job = producer.job(String(id));
        await job.set('body', id).push();
        const stream = data.streams[id % data.streams.length];
        const place = data.partitions ? { partitions: data.partitions, key: `k${id % data.keys}` } : {};
        await producer.send({ stream, job, waitFor: [data.group], ...place });
        print('sent', id);
        const wait = settled(job);
        waits.push(wait);
        if (data.awaits) await wait;
      } catch (error) {
        print('refused', id, error.code);
      }
      await pause();
    }
  };
  Promise.all(Array.from({ length: data.window }, call))
    .then(() => {
      print('sends no more');
      return Promise.all(waits);
    })
    .then(() => producer.stats())
    .then(({ completionsReceived }) => print('over', completionsReceived));
}

module.exports = { consumeSpread, produceSpread };
