'use strict';

const { RedisCluster } = require('../support/redis-cluster.js');
const { keys } = require('../support/keys.js');

/** Streams in as many slots, on all nodes. */
const STREAMS = 8;
/** Number of slots, and number of slots that move at the usual size. */
const [SLOTS, MOVED] = [16384, 500];
/** After which a node counts as gone, and what electing another one takes, in ms. */
const [NODE_TIMEOUT, ELECTION] = [1000, 2000];

/** Program that runs the jobs of several streams on a Cluster, or sends jobs until a signal. */
function program({ hfxbus, data, print }) {
  const connection = hfxbus.ConnectionManager.cluster(data.startupNodes);
  if (data.consumer) {
    const consumer = new hfxbus.Consumer(connection, data.consumer);
    consumer.on('error', (error) => print('error', error.code, error.message));
    const processor = async (job) => {
      print('start', Number(job.id));
      const { body } = await job.get('body', false).pull();
      if (body !== Number(job.id)) print(body === null ? 'absent' : 'wrong', Number(job.id));
      print('done', Number(job.id));
    };
    for (const stream of data.streams) consumer.process({ stream, processor, fromId: '0' });
    consumer.play().then(() => print('plays'));
    return;
  }
  const producer = new hfxbus.Producer(connection);
  producer.on('error', (error) => print('error', error.code, error.message));
  let [next, isOver] = [0, false];
  process.once('SIGTERM', () => {
    isOver = true;
  });
  const call = async () => {
    while (next < data.count || !isOver) {
      const id = next++;
      try {
        const job = producer.job(String(id));
        await job.set('body', id).push();
        const stream = data.streams[id % data.streams.length];
        await producer.send({ stream, job, waitFor: data.awaited ? [data.group] : null });
        print('sent', id);
        if (data.awaited) await job.finished();
      } catch (error) {
        print('refused', id, error.code);
      }
      await new Promise((resolve) => setTimeout(resolve, data.pace));
    }
  };
  Promise.all(Array.from({ length: data.window }, call)).then(() => print('over'));
}

async function begin(trial, { count, awaited, consumer }) {
  const cluster = await RedisCluster.start({ replicas: true });
  trial.closing(() => cluster.kill());
  const streams = await cluster.spread(STREAMS, 'stream', keys.stream);
  const { startupNodes } = cluster;
  const { group } = trial;
  const consuming = { streams, startupNodes, consumer: { group, concurrency: 32, ...consumer } };
  await trial.child(program, { data: consuming }).says('plays', 20000);
  const data = { streams, startupNodes, group, count, awaited, window: 32, pace: 2 };
  const producer = trial.child(program, { data });
  await trial.until(() => trial.ledger.done > 50);
  return { cluster, streams, producer };
}

/** Slots move under load, those of the streams among them; then one primary is failed over by hand. */
async function move(trial) {
  const { cluster, streams, producer } = await begin(trial, { count: trial.times(10000, 1500), awaited: true });
  const slots = new Set(await Promise.all(streams.map((stream) => cluster.slot(keys.stream(stream)))));
  while (slots.size < trial.times(MOVED, 20)) slots.add(Math.floor(trial.random.between(0, SLOTS - 1)));
  await cluster.move(slots, cluster.primaries[1]);
  await cluster.failOver(cluster.replicas[2]);
  const over = performance.now();
  await trial.until(() => trial.ledger.firstDone(over) !== null);
  const recovery = trial.ledger.firstDone(over) - over;
  producer.signal('SIGTERM');
  await producer.says('over', 60000);
  await trial.drain();
  trial.mark('nothing lost', trial.ledger.missing.length === 0);
  trial.mark('every send accepted', trial.ledger.refused === 0);
  trial.mark('no error', trial.errors === 0);
  trial.mark('jobs again within 1 s', recovery <= 1000);
  return trial.report({ moved: slots.size, recovery });
}

/** Primaries are killed, one after the other, and come back as replicas. */
async function kill(trial) {
  const claiming = { claimInterval: 200, claimDeadline: 1000, retryLimit: 1000 };
  const count = trial.times(10000, 3000);
  const { cluster, producer } = await begin(trial, { count, awaited: false, consumer: claiming });
  const kills = trial.times(3);
  const recoveries = [];
  for (let nth = 0; nth < kills; nth++) {
    const victim = cluster.primaries[nth % cluster.primaries.length];
    victim.crash();
    const killed = performance.now();
    await trial.until(() => trial.ledger.firstDone(killed + NODE_TIMEOUT) !== null);
    recoveries.push(trial.ledger.firstDone(killed + NODE_TIMEOUT) - killed);
    await victim.start();
    await cluster.settled();
  }
  producer.signal('SIGTERM');
  await producer.says('over', 60000);
  await trial.drain();
  trial.mark('nothing lost that a replica had', trial.ledger.missing.length === 0);
  trial.mark('every send accepted', trial.ledger.refused === 0);
  const bound = NODE_TIMEOUT + ELECTION + 2000;
  trial.mark(`jobs again within ${bound} ms`, Math.max(...recoveries) <= bound);
  return trial.report({ kills: recoveries.length, recovery: Math.max(...recoveries) });
}

module.exports = [
  { id: 'F5', title: 'kill -9 of primaries of a Cluster', original: false, run: kill },
  { id: 'F6', title: 'slots that move, and a failover by hand', original: false, run: move },
];
