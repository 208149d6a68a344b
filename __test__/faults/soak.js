'use strict';

const fs = require('node:fs');

/** For how long caches fill first, and how often is measured, in ms. */
const WARM_UP = 8000;
const EVERY = 500;
const USUAL = 30000;
/** From this long on a slope can be told from noise. */
const HOUR = 3600 * 1000;

/** Program that sends and runs jobs at a given rate. */
async function soak({ hfxbus, options, data, print }) {
  const { ConnectionManager, Consumer, Producer } = hfxbus;
  const connection = ConnectionManager.standalone(options);
  const consumer = new Consumer(connection, { group: data.group, concurrency: 32, claimInterval: 1000 });
  let done = 0;
  consumer.on('error', () => {});
  const processor = async (job) => {
    await job.get('body').del('body').pull();
    done++;
  };
  consumer.process({ stream: data.stream, processor });
  await consumer.play();
  const producer = new Producer(connection);
  setInterval(() => {
    for (let at = 0; at < data.rate / 50; at++) {
      const job = producer.job();
      job
        .set('body', Buffer.alloc(200), 60000)
        .push()
        .then(() => producer.send({ stream: data.stream, job, capped: 10000, waitFor: [data.group] }))
        .then((sent) => sent.finished(20000))
        .catch((error) => print('failed', error.code));
    }
  }, 20);
  setInterval(() => {
    global.gc();
    print('counts', done, process.memoryUsage().rss, process._getActiveHandles().length);
  }, data.every);
}

/** Jobs for a long time, with connections that are killed all the time. */
async function run(trial) {
  const server = await trial.server();
  const child = trial.child(soak, {
    options: server.options,
    data: { stream: trial.stream, group: trial.group, rate: 1000, every: EVERY },
    flags: ['--expose-gc'],
  });
  const length = trial.times(USUAL, WARM_UP + 4 * EVERY);
  const end = performance.now() + length;
  const warm = performance.now() + Math.min(WARM_UP, length / 2);
  const samples = [];
  let reconnects = 0;
  while (performance.now() < end) {
    await trial.sleep(EVERY);
    if (trial.random.next() < 0.25) {
      await server.call('CLIENT', 'KILL', 'TYPE', trial.random.pick(['normal', 'pubsub']), 'SKIPME', 'yes');
      reconnects++;
    }
    const last = child.printed.findLast(([word]) => word === 'counts');
    if (!last || performance.now() < warm) continue;
    const [, done, rss, handles] = last;
    samples.push({ at: performance.now(), done, rss, handles, files: openFiles(child.pid) });
  }
  const slope = slopeOf(samples.map(({ at, rss }) => [at / HOUR, rss / 1e6]));
  const [first, last] = [samples[0], samples.at(-1)];
  const failed = child.printed.filter(([word]) => word === 'failed').length;
  const growth = (last.rss - first.rss) / 1e6;
  trial.mark('jobs go on', last.done > first.done);
  trial.mark('every job finishes', failed === 0);
  trial.mark('as many files open as before', Math.abs(last.files - first.files) <= 2);
  trial.mark('as many handles as before', last.handles <= first.handles + 2);
  if (length >= HOUR) trial.mark('memory grows by less than 1 MB/h', slope < 1);
  else trial.mark('memory grows by less than 10 MB', growth < 10);
  const round = (number) => Math.round(number * 10) / 10;
  return trial.report({
    length,
    jobs: last.done,
    reconnects,
    failed,
    growthMB: round(growth),
    ...(length >= HOUR && { slopeMBh: round(slope) }),
  });
}

/** Least squares. */
function slopeOf(points) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const above = points.reduce((sum, [px, py]) => sum + (px - x) * (py - y), 0);
  return above / points.reduce((sum, [px]) => sum + (px - x) ** 2, 0);
}

function openFiles(pid) {
  const folder = `/proc/${pid}/fd`;
  return fs.existsSync(folder) ? fs.readdirSync(folder).length : 0;
}

module.exports = { id: 'F24', title: 'a long time, with reconnections', run };
