'use strict';

/** Idle time of an entry before it is claimed, in ms. */
const CLAIM_DEADLINE = 500;
const JOBS = 20;

/** A process that takes jobs, then does nothing but compute for a while. */
function block({ hfxbus, options, data, print }) {
  const connection = hfxbus.ConnectionManager.standalone(options);
  const consumer = new hfxbus.Consumer(connection, data.consumer);
  let started = 0;
  const processor = async (job) => {
    print('start', Number(job.id));
    if (++started === data.jobs) {
      print('blocks');
      setImmediate(() => {
        const end = performance.now() + data.blocked;
        while (performance.now() < end);
        print('goes on');
      });
    }
    await new Promise((resolve) => setTimeout(resolve, data.blocked / 2));
    print('done', Number(job.id));
  };
  consumer.process({ stream: data.stream, processor, fromId: '0', deadline: 0 });
  consumer.play();
}

/** The event loop of a consumer stands still for many times as long as its jobs may lie idle. */
async function run(trial) {
  const server = await trial.server();
  const claiming = { claimInterval: 100, claimDeadline: CLAIM_DEADLINE, retryLimit: 1000 };
  const blocked = trial.times(6000, 4 * CLAIM_DEADLINE);
  const blocking = trial.child(block, {
    options: server.options,
    data: {
      consumer: { group: trial.group, concurrency: JOBS, ...claiming },
      stream: trial.stream,
      jobs: JOBS,
      blocked,
    },
  });
  await trial.producer(server, { count: JOBS }).says('over');
  await blocking.says('blocks', 10000);
  // 2.2.0 claims nothing; beside one that does, what it does not renew is started twice.
  await trial.consumer(server, { subject: trial.ours, consumer: { concurrency: JOBS, ...claiming } });
  await blocking.says('goes on', blocked + 10000);
  await trial.drain({ limit: 15000, quiet: 3000 });
  trial.mark('nothing lost', trial.ledger.missing.length === 0);
  trial.mark('nothing started twice', trial.ledger.duplicates === 0);
  return trial.report({ blocked, claimDeadline: CLAIM_DEADLINE });
}

module.exports = { id: 'F20', title: 'event loop blocked', original: true, run };
