'use strict';

const RUNNING = 100;
/** Time of the jobs at SIGTERM, and the maximum time beyond it, in ms. */
const BOUND = 1000;
const GRACE = 500;

/** Program with endless jobs, which a signal ends. */
function hold({ hfxbus, options, data, print }) {
  const { ConnectionManager, Consumer, gracefulShutdown } = hfxbus;
  const connection = ConnectionManager.standalone(options);
  const consumer = new Consumer(connection, { group: data.group, concurrency: data.running, claimDeadline: 60000 });
  let started = 0;
  const processor = (job) => {
    print('start', Number(job.id));
    if (++started === data.running) print('full');
    return new Promise(() => {});
  };
  consumer.process({ stream: data.stream, processor, fromId: '0', deadline: 0 });
  consumer.play();
  if (gracefulShutdown) gracefulShutdown([consumer, connection], { timeout: data.bound });
  else {
    process.on('SIGTERM', async () => {
      await consumer.pause(data.bound).catch(() => {});
      await connection.stop({ maxWait: data.bound });
    });
  }
}

async function run(trial) {
  const server = await trial.server();
  const rounds = trial.times(5);
  const exits = [];
  const restarts = [];
  for (let round = 0; round < rounds; round++) {
    const data = { stream: trial.stream, group: trial.group, running: RUNNING, bound: BOUND };
    const holding = trial.child(hold, { options: server.options, data });
    const producer = trial.producer(server, { count: RUNNING });
    await producer.says('over');
    await holding.says('full', 10000);
    const other = await trial.consumer(server, {
      consumer: { concurrency: RUNNING, claimInterval: 200, claimDeadline: 60000 },
    });
    const told = performance.now();
    holding.signal('SIGTERM');
    const exit = await Promise.race([holding.exit(), trial.sleep(BOUND + 5000)]);
    exits.push(exit ? performance.now() - told : Infinity);
    holding.kill();
    const ended = performance.now();
    await trial.drain({ limit: 5000, quiet: 4000 });
    restarts.push(trial.ledger.isDrained ? performance.now() - ended : Infinity);
    other.kill();
    if (!trial.ledger.isDrained) break;
  }
  const slowest = Math.max(...exits);
  const recovery = Math.max(...restarts);
  trial.mark('nothing lost', trial.ledger.missing.length === 0);
  trial.mark(`gone within ${BOUND + GRACE} ms`, slowest <= BOUND + GRACE);
  trial.mark('all begun elsewhere within 2 s', recovery <= 2000);
  const finite = (time) => (Number.isFinite(time) ? Math.round(time) : null);
  return trial.report({ rounds, exit: finite(slowest), recovery: finite(recovery) });
}

module.exports = { id: 'F22', title: 'SIGTERM with running jobs', original: true, run };
