'use strict';

/* The option `readAhead`: the number of entries that wait in the consumer, and the start of their jobs. */

const assert = require('node:assert');
const { setTimeout: sleep } = require('node:timers/promises');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { jobs, strand } = require('../support/stranded.js');
const { stays, until } = require('../support/wait-until.js');

/** Adds entries, one after the other. */
async function addAll(scene, names, where) {
  await Promise.all(names.map((name) => scene.add(name, where)));
}

/** Processor whose jobs wait for a gate, with a record of the jobs. */
class Runs {
  ids = [];
  running = 0;
  most = 0;
  gate = new Gate();

  processor = async ({ id }) => {
    this.ids.push(id);
    this.most = Math.max(this.most, ++this.running);
    await this.gate.opened;
    this.running--;
  };
}

/** The number of waiting entries of a consumer. */
async function waiting(consumer) {
  return (await consumer.stats({ timeout: 0 })).waiting;
}

ours('jobs at concurrency 1 run in the order of the stream, with far fewer reads than jobs', async (_, scene) => {
  const names = jobs(200);
  await addAll(scene, names);
  const runs = new Runs();
  runs.gate.open();
  const monitor = await scene.monitor();
  const processor = async (job) => {
    // A read can return within the time of each job.
    await scene.redis.call('PING');
    await runs.processor(job);
  };
  await scene.play(processor, { readAhead: 16, fromId: '0' });
  await until(() => runs.ids.length === names.length);
  assert.deepStrictEqual([runs.ids, runs.most], [names, 1]);
  await until(async () => (await scene.pending()) === 0);
  const reads = await monitor.named('XREADGROUP');
  assert.ok(reads.length < names.length / 4, `${reads.length} reads`);
});

for (const [concurrency, readAhead] of [
  [1, 1],
  [1, 5],
  [3, 20],
  [70, 100],
]) {
  ours(
    `concurrency ${concurrency} with readAhead ${readAhead} limits the jobs and the waiting entries`,
    async (_, scene) => {
      const names = jobs(300);
      await addAll(scene, names);
      const runs = new Runs();
      let most = 0;
      const processor = async (job) => {
        // A read can return within the time of each job.
        await scene.redis.call('PING');
        most = Math.max(most, await waiting(consumer));
        await runs.processor(job);
      };
      const consumer = await scene.play(processor, { concurrency, readAhead, fromId: '0' });
      const all = concurrency + readAhead;
      await until(async () => (await scene.pending()) === all);
      await stays(async () => (await scene.pending()) === all, 50);
      const { inFlight, waiting: count, availableSlots } = await consumer.stats();
      assert.deepStrictEqual([inFlight, count, availableSlots], [concurrency, readAhead, 0]);
      runs.gate.open();
      await until(() => runs.ids.length === names.length);
      assert.deepStrictEqual([runs.most, most <= readAhead], [concurrency, true], `${most}`);
      assert.deepStrictEqual([...runs.ids].sort(), [...names].sort());
      assert.strictEqual(await waiting(consumer), 0);
    },
  );
}

ours('by default no entry waits', async (_, scene) => {
  await addAll(scene, jobs(10));
  for (const readAhead of [undefined, null, 0]) {
    const runs = new Runs();
    const options = { stream: scene.stream, readAhead, fromId: '0', group: scene.name('group') };
    const consumer = await scene.play(runs.processor, options);
    await until(() => runs.ids.length === 1);
    await stays(async () => (await scene.pending(options)) === 1, 30);
    assert.strictEqual(await waiting(consumer), 0);
  }
});

ours('waiting jobs start without a reply of Redis', async (_, scene) => {
  const redis = await scene.server();
  const names = jobs(30);
  await addAll(scene, names, { redis });
  const runs = new Runs();
  const consumer = await scene.play(runs.processor, {
    readAhead: names.length,
    fromId: '0',
    connection: scene.connect(redis.options),
  });
  await until(async () => (await waiting(consumer)) === names.length - 1);
  redis.freeze();
  runs.gate.open();
  await until(() => runs.ids.length === names.length);
  redis.thaw();
  assert.deepStrictEqual([runs.ids, runs.most], [names, 1]);
  await until(async () => (await scene.pending({ redis })) === 0);
});

ours('waiting jobs start without a reply of Redis while the engine has a thread of its own', async (_, scene) => {
  const redis = await scene.server();
  const names = jobs(30);
  await addAll(scene, names, { redis });
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      const consumer = new hfxbus.Consumer(hfxbus.ConnectionManager.standalone(options), {
        group: 'g',
        readAhead: data.count,
      });
      const gate = new Promise((resolve) => process.once('SIGUSR2', resolve));
      let ran = 0;
      const processor = async () => {
        await gate;
        if (++ran === data.count) print('ran');
      };
      await consumer.process({ stream: data.stream, fromId: '0', processor }).play();
      const count = async () => (await consumer.stats({ timeout: 0 })).waiting;
      while ((await count()) < data.count - 1) await new Promise((resolve) => setTimeout(resolve, 5));
      print('waits');
    },
    {
      options: redis.options,
      data: { stream: scene.stream, count: names.length },
      variables: { HFXBUS_ENGINE: 'thread' },
    },
  );
  await child.says('waits');
  redis.freeze();
  child.signal('SIGUSR2');
  await child.says('ran');
  redis.thaw();
});

ours('the deadline of a waiting job begins when the job starts', async (_, scene) => {
  const [deadline, time] = [1500, 200];
  await addAll(scene, jobs(10));
  let ended = 0;
  const processor = async () => {
    await sleep(time);
    ended++;
  };
  const consumer = await scene.play(processor, { readAhead: 20, fromId: '0', deadline });
  await until(() => ended === 10);
  const { timedOut, rejected } = await consumer.stats();
  assert.deepStrictEqual([timedOut, rejected], [0, 0]);
});

ours('a released slot starts the next waiting job', async (_, scene) => {
  await addAll(scene, jobs(5));
  const [seen, gate] = [[], new Gate()];
  const processor = async (job) => {
    seen.push(job.id);
    job.release();
    await gate.opened;
  };
  await scene.play(processor, { readAhead: 4, fromId: '0' });
  await until(() => seen.length === 5);
  assert.deepStrictEqual(seen, jobs(5));
  gate.open();
});

ours('two streams share the entries to read ahead, and each keeps its order', async (_, scene) => {
  const streams = [scene.name('stream'), scene.name('stream')];
  for (const stream of streams) await addAll(scene, jobs(100, stream), { stream });
  const runs = new Runs();
  const consumer = scene.consumer({ readAhead: 10 });
  for (const stream of streams) consumer.process({ stream, processor: runs.processor, fromId: '0' });
  await consumer.play();
  const pending = async () => {
    const counts = await Promise.all(streams.map((stream) => scene.pending({ stream })));
    return counts[0] + counts[1];
  };
  await until(async () => (await pending()) >= 10);
  await stays(async () => (await pending()) <= 11, 50);
  runs.gate.open();
  await until(() => runs.ids.length === 200);
  assert.strictEqual(runs.most, 1);
  for (const stream of streams) {
    assert.deepStrictEqual(
      runs.ids.filter((id) => id.startsWith(`${stream}-`)),
      jobs(100, stream),
    );
  }
});

ours('more streams than entries to read ahead are read one entry each', async (_, scene) => {
  const streams = Array.from({ length: 4 }, () => scene.name('stream'));
  for (const stream of streams) await addAll(scene, jobs(10, stream), { stream });
  const runs = new Runs();
  const consumer = scene.consumer({ readAhead: 2 });
  for (const stream of streams) consumer.process({ stream, processor: runs.processor, fromId: '0' });
  await consumer.play();
  await until(() => runs.ids.length === 1);
  await stays(async () => (await waiting(consumer)) <= 3, 50);
  runs.gate.open();
  await until(() => runs.ids.length === 40);
  assert.strictEqual(runs.most, 1);
});

ours('a consumer of all nodes reads ahead on each, within one concurrency', async (_, scene) => {
  const nodes = await scene.nodes();
  for (const [at, redis] of nodes.entries()) await addAll(scene, jobs(40, at), { redis });
  const runs = new Runs();
  const consumer = await scene.play(runs.processor, {
    readAhead: 12,
    fromId: '0',
    connection: scene.partition(nodes),
    route: scene.hfxbus.DISTRIBUTED_ROUTING,
  });
  const pending = () => Promise.all(nodes.map((redis) => scene.pending({ redis })));
  await until(async () => (await pending()).every((count) => count >= 4));
  assert.ok((await waiting(consumer)) <= 12, `${await pending()}`);
  runs.gate.open();
  await until(() => runs.ids.length === 120);
  assert.deepStrictEqual([runs.most, new Set(runs.ids).size], [1, 120]);
  for (const at of nodes.keys()) {
    assert.deepStrictEqual(
      runs.ids.filter((id) => id.startsWith(`${at}-`)),
      jobs(40, at),
    );
  }
});

ours('a consumer of a Cluster reads ahead in each slot, within one concurrency', async (_, scene) => {
  const cluster = await scene.cluster();
  const streams = Array.from({ length: 3 }, () => scene.name('stream'));
  const connection = scene.connectCluster(cluster);
  const producer = scene.producer(connection);
  for (const stream of streams) {
    for (const name of jobs(30, stream)) await producer.send({ stream, job: producer.job(name) });
  }
  const runs = new Runs();
  const consumer = scene.consumer({ readAhead: 12 }, connection);
  for (const stream of streams) consumer.process({ stream, processor: runs.processor, fromId: '0' });
  await consumer.play();
  await until(async () => (await waiting(consumer)) >= 11);
  assert.ok((await waiting(consumer)) <= 12);
  runs.gate.open();
  await until(() => runs.ids.length === 90);
  assert.deepStrictEqual([runs.most, new Set(runs.ids).size], [1, 90]);
});

ours('the history of the consumer is read ahead, and then new entries', async (_, scene) => {
  await strand(scene, jobs(30, 'old'), { consumer: 'me' });
  await addAll(scene, jobs(30, 'new'));
  const runs = new Runs();
  const consumer = await scene.play(runs.processor, { id: 'me', readAhead: 8, readFrom: '0' });
  await until(async () => (await waiting(consumer)) === 8);
  runs.gate.open();
  await until(() => runs.ids.length === 60);
  assert.deepStrictEqual(runs.ids, [...jobs(30, 'old'), ...jobs(30, 'new')]);
  await until(async () => (await scene.pending()) === 0);
});

ours('waiting entries and claimed entries take turns', async (_, scene) => {
  await strand(scene, jobs(60, 'old'), { idle: 60_000 });
  await addAll(scene, jobs(5000, 'new'));
  const runs = new Runs();
  runs.gate.open();
  await scene.play(
    async (job) => {
      await runs.processor(job);
      await new Promise(setImmediate);
    },
    { readAhead: 16, claimInterval: 20, claimDeadline: 30_000 },
  );
  await until(() => runs.ids.length === 5060);
  const kinds = runs.ids.map((id) => id.split('-')[0]);
  // While both kinds are there.
  const [begin, end] = [kinds.indexOf('old'), Math.min(kinds.lastIndexOf('old'), kinds.lastIndexOf('new'))];
  const between = kinds.slice(begin, end);
  assert.ok(between.filter((kind) => kind === 'old').length >= 10, `${begin} to ${end}`);
  const longest = Math.max(
    ...between
      .join(' ')
      .match(/(\w+)( \1)*/g)
      .map((run) => run.split(' ').length),
  );
  assert.ok(longest <= 4, between.join(' '));
  assert.deepStrictEqual([runs.most, new Set(runs.ids).size], [1, 5060]);
});

ours('waiting jobs start with their prefetched payloads', async (_, scene) => {
  const producer = scene.producer();
  const seen = [];
  const consumer = scene.consumer({ readAhead: 8 });
  consumer.process({
    stream: scene.stream,
    fromId: '0',
    prefetch: ['text'],
    processor: async (job) => seen.push((await job.get('text', false).pull()).text),
  });
  for (const name of jobs(20)) {
    const job = producer.job();
    await job.set('text', name).push();
    await producer.send({ stream: scene.stream, job });
  }
  await consumer.play();
  await until(() => seen.length === 20);
  assert.deepStrictEqual(seen, jobs(20));
});
