'use strict';

const assert = require('node:assert');
const { keep, ours } = require('../support/cases.js');

/** Every timer that test runners can replace. */
const EVERY = [
  'setTimeout',
  'clearTimeout',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'Date',
  'nextTick',
  'hrtime',
  'performance',
  'queueMicrotask',
];

/** Runs a function in a process of its own, since fake timers stop the test runner, too; it has to print 'done' last. */
async function runChild(scene, run, toFake = EVERY) {
  const data = {
    timers: require.resolve('@sinonjs/fake-timers'),
    realm: require.resolve('../support/realm.js'),
    file: scene.subject.file,
    toFake,
    stream: scene.stream,
    group: scene.group,
  };
  const child = scene.child(run, { data });
  const { code } = await child.exit();
  assert.deepStrictEqual([code, child.stderr, child.printed], [0, '', [['done']]]);
}

keep('payloads and commands work under fake timers', async (_, scene) => {
  await runChild(
    scene,
    async ({ hfxbus, options, data, print }) => {
      const connection = hfxbus.ConnectionManager.standalone(options);
      const client = connection.getClient('mine');
      const job = new hfxbus.Producer(connection).job();
      await client.ping();
      await job.set('a', 1).push();
      const clock = require(data.timers).install({ toFake: data.toFake });
      await job.set('a', 2).push();
      const { a } = await job.get('a', false).pull();
      const raw = await client.get(job.prefix('a'));
      clock.uninstall();
      if (a !== 2 || raw !== '2') throw new Error(`${a} ${raw}`);
      await connection.stop({ force: true });
      print('done');
    },
    ['setTimeout', 'setInterval', 'queueMicrotask'],
  );
});

ours('a bus can be opened, used and stopped under fake timers, and after that the process ends by itself', (_, scene) =>
  runChild(scene, async ({ hfxbus, options, data, print }) => {
    const { stream, group } = data;
    const clock = require(data.timers).install({ toFake: data.toFake });
    const connection = hfxbus.ConnectionManager.standalone(options);
    const consumer = new hfxbus.Consumer(connection, { group });
    consumer.process({ stream, processor: (job) => job.get('inbound').pull() });
    await consumer.play();
    const producer = new hfxbus.Producer(connection);
    const job = producer.job();
    await job.set('inbound', 'hello').push();
    await producer.send({ stream, job, waitFor: [group] });
    await job.finished();
    await consumer.pause();
    await connection.stop();
    clock.uninstall();
    print('done');
  }),
);

ours('a process ends although fake timers were installed and removed while its bus was open', (_, scene) =>
  runChild(scene, async ({ hfxbus, options, data, print }) => {
    const fake = () => require(data.timers).install({ toFake: data.toFake });
    let clock = fake();
    const connection = hfxbus.ConnectionManager.standalone(options);
    await connection.getClient('mine').call('ping');
    clock.uninstall();
    await connection.getClient('mine').call('ping');
    clock = fake();
    await connection.stop();
    clock.uninstall();
    print('done');
  }),
);

ours('a bus that is loaded under fake timers uses the real ones', (_, scene) =>
  runChild(scene, async ({ options, data, print }) => {
    const clock = require(data.timers).install({ toFake: data.toFake });
    const { ConnectionManager, Producer } = require(data.realm).loadInRealm(data.file);
    const connection = ConnectionManager.standalone(options);
    await new Producer(connection).job().set('a', 1).push();
    await connection.stop();
    clock.uninstall();
    print('done');
  }),
);

ours('a timeout of the user follows the clock that is installed at the time of the call', (_, scene) =>
  runChild(scene, async ({ hfxbus, options, data, print }) => {
    const { stream, group } = data;
    const connection = hfxbus.ConnectionManager.standalone(options);
    const producer = new hfxbus.Producer(connection);
    const job = await producer.send({ stream, job: producer.job(), waitFor: [group] });
    const clock = require(data.timers).install({ toFake: data.toFake });
    const waiting = job.finished(60_000).catch((error) => error.code);
    clock.tick(60_000);
    const code = await waiting;
    await connection.stop();
    clock.uninstall();
    print(code === 'FINISH_TIMEOUT' ? 'done' : code);
  }),
);

ours('a timeout is cleared by the timers that it was set with', (_, scene) =>
  runChild(scene, async ({ hfxbus, options, data, print }) => {
    const { stream, group } = data;
    const { install } = require(data.timers);
    const connection = hfxbus.ConnectionManager.standalone(options);
    const consumer = new hfxbus.Consumer(connection, { group });
    let open;
    const gate = new Promise((resolve) => {
      open = resolve;
    });
    consumer.process({ stream, processor: () => gate });
    await consumer.play();
    const producer = new hfxbus.Producer(connection);
    const [one, other] = [producer.job(), producer.job()];
    await producer.send({ stream, job: one, waitFor: [group] });
    await producer.send({ stream, job: other, waitFor: [group] });
    const first = install({ toFake: data.toFake });
    const ends = [one.finished(60_000)];
    first.uninstall();
    ends.push(other.finished(60_000));
    const second = install({ toFake: data.toFake });
    open();
    await Promise.all(ends);
    second.uninstall();
    // The process ends at once, and without a warning about timers of another clock.
    await connection.stop();
    print(first.countTimers() === 0 ? 'done' : 'a timer is left');
  }),
);
