'use strict';

const assert = require('node:assert');
const { fix } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { stays, until } = require('../support/wait-until.js');

/** Failures of a node, and their recovery. */
const FAILURES = {
  killed: { fail: (node) => node.kill(), recover: (node) => node.start() },
  frozen: { fail: (node) => node.freeze(), recover: (node) => node.thaw() },
};

/** Nodes of this case's own, and a consumer of all of them that waits. */
async function begin(scene, processor, options) {
  const nodes = await scene.ownNodes();
  const connection = scene.partition(nodes);
  const { DISTRIBUTED_ROUTING: route } = scene.hfxbus;
  // Completed where it is alive, unless a case wants it otherwise.
  const stream = scene.nameOn(0, 'stream');
  const consumer = await scene.play(processor, { connection, stream, route, blockTimeout: 60000, ...options });
  await until(async () => {
    const infos = await Promise.all(nodes.map((node) => node.call('INFO', 'clients')));
    return infos.every((info) => /blocked_clients:1/.test(info));
  });
  return { nodes, connection, consumer, stream, route, errors: scene.errors(consumer) };
}

for (const [how, { fail, recover }] of Object.entries(FAILURES)) {
  fix(`B-122 a node that is ${how} does not slow the others, and is read again when it is back`, async (_, scene) => {
    const ran = [];
    const { nodes, stream, errors } = await begin(scene, async (job) => ran.push(job.id));
    fail(nodes[2]);
    for (let at = 0; at < 40; at++) {
      const started = Date.now();
      await scene.add(`job-${at}`, { stream, redis: nodes[at % 2] });
      await until(() => ran.length > at);
      assert.ok(Date.now() - started < 2000, `job ${at}`);
    }
    // A lost connection is reported once, with its node.
    const lost = how === 'killed' ? [`127.0.0.1:${nodes[2].port}`] : [];
    assert.deepStrictEqual(
      errors.map(({ node }) => node),
      lost,
    );
    await recover(nodes[2]);
    await scene.add('back', { stream, redis: nodes[2] }).catch(() => {});
    await until(() => ran.includes('back'), { timeout: 15000 });
  });

  fix(`B-122 play() starts although a node is ${how}, and reads that node when it is back`, async (_, scene) => {
    const nodes = await scene.ownNodes();
    const stream = scene.nameOn(0, 'stream');
    fail(nodes[2]);
    const ran = [];
    const started = Date.now();
    const connection = scene.partition(nodes);
    const { DISTRIBUTED_ROUTING: route } = scene.hfxbus;
    await scene.play(async (job) => ran.push(job.id), { connection, stream, route, fromId: '0', blockTimeout: 60000 });
    assert.ok(Date.now() - started < 5000, `${Date.now() - started} ms`);
    for (const redis of nodes.slice(0, 2)) await scene.add(`job-${redis.port}`, { stream, redis });
    await until(() => ran.length === 2);
    await recover(nodes[2]);
    await scene.add('back', { stream, redis: nodes[2] });
    await until(() => ran.includes('back'), { timeout: 15000 });
  });

  fix(`a slot is freed although the node of the completion is ${how}`, async (_, scene) => {
    const ran = [];
    const stream = scene.nameOn(2, 'stream');
    const { nodes } = await begin(scene, async (job) => ran.push(job.id), { stream });
    fail(nodes[2]);
    for (let at = 0; at < 20; at++) {
      await scene.add(`job-${at}`, { stream, redis: nodes[at % 2] });
      await until(() => ran.length > at);
    }
    for (const redis of nodes.slice(0, 2)) {
      await until(async () => (await scene.pending({ stream, redis })) === 0);
    }
  });

  fix(`sends and payloads on other nodes do not wait for one that is ${how}`, async (_, scene) => {
    const { nodes, connection, stream, route } = await begin(scene, async () => {});
    const producer = scene.producer(connection);
    await producer.listen();
    fail(nodes[2]);
    const stuck = producer.job(scene.nameOn(2, 'job')).set('key', 1).push();
    let isStuck = true;
    stuck.then(
      () => {
        isStuck = false;
      },
      () => {},
    );
    for (let at = 0; at < 20; at++) {
      const job = producer.job(scene.nameOn(at % 2, 'job'));
      await job.set('key', at).push();
      await producer.send({ stream, job, route, waitFor: [scene.group] });
      await job.finished(4000);
      assert.deepStrictEqual(await job.get('key', false).pull(), { key: at });
    }
    assert.strictEqual(isStuck, true);
    await recover(nodes[2]);
    await stuck;
  });

  fix(`pause() and play() work on the other nodes while one is ${how}`, async (_, scene) => {
    const ran = [];
    const { nodes, consumer, stream } = await begin(scene, async (job) => ran.push(job.id));
    fail(nodes[2]);
    const started = Date.now();
    await consumer.pause();
    assert.ok(Date.now() - started < 6000, `${Date.now() - started} ms`);
    await scene.add('job-1', { stream, redis: nodes[0] });
    await stays(() => ran.length === 0, 20);
    const playing = consumer.play();
    playing.catch(() => {});
    await recover(nodes[2]);
    await playing;
    await until(() => ran.length === 1);
  });

  fix(
    `stop() does not wait for a node that is ${how}, and jobs in flight on other nodes end normally`,
    async (_, scene) => {
      const gate = new Gate();
      const ran = [];
      const run = async (job) => {
        ran.push(job.id);
        await gate.opened;
      };
      const { nodes, connection, stream } = await begin(scene, run, { concurrency: 4 });
      for (const redis of nodes.slice(0, 2)) await scene.add('job', { stream, redis });
      await until(() => ran.length === 2);
      fail(nodes[2]);
      const started = Date.now();
      const stopped = connection.stop();
      gate.open();
      await stopped;
      assert.ok(Date.now() - started < 9000, `${Date.now() - started} ms`);
      for (const redis of nodes.slice(0, 2)) assert.strictEqual(await scene.pending({ stream, redis }), 0);
      await until(async () => (await nodes[0].call('CLIENT', 'LIST')).trim().split('\n').length === 1);
    },
  );

  fix(`the process ends after stop while a node is ${how}`, async (_, scene) => {
    const nodes = await scene.ownNodes();
    const child = scene.child(
      ({ hfxbus, options, print }) => {
        const connection = hfxbus.ConnectionManager.nodes(options);
        const consumer = new hfxbus.Consumer(connection, { group: 'g', route: hfxbus.DISTRIBUTED_ROUTING });
        const producer = new hfxbus.Producer(connection);
        consumer.process({ stream: 's', processor: () => {} });
        process.on('SIGTERM', async () => {
          await connection.stop({ maxWait: 500 });
          print('stopped');
        });
        Promise.all([producer.listen('*'), consumer.play()]).then(() => print('plays'));
      },
      { options: { nodes: nodes.map(({ options }) => options) } },
    );
    await child.says('plays');
    fail(nodes[2]);
    child.signal('SIGTERM');
    await child.says('stopped');
    const { code } = await child.exit();
    assert.deepStrictEqual([code, child.isTimedOut, child.stdout, child.stderr], [0, false, '', '']);
  });
}

fix(
  'a consumer that is paused and played repeatedly creates its groups on a late node only one more time',
  async (_, scene) => {
    const nodes = await scene.ownNodes();
    const { DISTRIBUTED_ROUTING: route } = scene.hfxbus;
    const consumer = scene.consumer({ route }, scene.partition(nodes));
    consumer.process({ stream: scene.stream, processor: () => {} });
    nodes[2].freeze();
    const plays = 4;
    for (let at = 0; at < plays; at++) {
      await consumer.play();
      if (at < plays - 1) await consumer.pause();
    }
    nodes[2].thaw();
    const asked = async () => {
      const calls = (await nodes[2].call('INFO', 'commandstats')).matchAll(/cmdstat_xgroup(?:\|create)?:calls=(\d+)/g);
      return [...calls].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const isReading = async () => /blocked_clients:1/.test(await nodes[2].call('INFO', 'clients'));
    await until(isReading);
    await stays(async () => (await asked()) <= plays + 1, 200);
  },
);
