'use strict';

/* The backlog of a dead consumer is recovered as fast as its jobs end, not a few entries per claimInterval. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { jobs, strand } = require('../support/stranded.js');
const { stays, until } = require('../support/wait-until.js');

/** One entry of each look would take minutes with it. */
const SELDOM = { claimInterval: 1000, claimDeadline: 30_000 };
/** Longer than entries must have been idle. */
const IDLE = 60_000;
/** Far less than a look for each entry takes, and enough for a busy machine. */
const SOON = 12_000;
const searches = (words) => words[0] === 'XPENDING' && words.length > 3;

/** A processor that notes what it runs, and how many jobs ran at the same time. */
class Runs {
  ids = [];
  most = 0;
  #running = 0;

  processor = async ({ id }) => {
    this.ids.push(id);
    this.most = Math.max(this.most, ++this.#running);
    await new Promise(setImmediate);
    this.#running--;
  };
}

function drained(scene, { timeout = SOON, ...where } = {}) {
  return until(async () => (await scene.pending(where)) === 0, { timeout, what: 'nothing to be pending' });
}

ours('the jobs of a killed consumer run one after the other, not one per claimInterval', async (_, scene) => {
  const names = jobs(100);
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      const connection = hfxbus.ConnectionManager.standalone(options);
      const consumer = new hfxbus.Consumer(connection, { group: data.group, concurrency: data.count });
      let begun = 0;
      const processor = () => {
        if (++begun === data.count) print('begun');
        return new Promise(() => {});
      };
      await consumer.process({ stream: data.stream, processor }).play();
      print('plays');
    },
    { data: { stream: scene.stream, group: scene.group, count: names.length } },
  );
  await child.says('plays');
  for (const name of names) await scene.add(name);
  await child.says('begun');
  child.kill();
  await child.exit();
  const runs = new Runs();
  await scene.play(runs.processor, { claimInterval: 1000, claimDeadline: 1000 });
  await drained(scene);
  assert.deepStrictEqual([runs.ids, runs.most], [names, 1]);
});

for (const [concurrency, claimPageSize] of [
  [1, 1],
  [7, 3],
  [128, 10],
  [Infinity, 100],
]) {
  ours(`1500 pending entries run with concurrency ${concurrency} and pages of ${claimPageSize}`, async (_, scene) => {
    const names = jobs(1500);
    await strand(scene, names, { idle: IDLE });
    const runs = new Runs();
    await scene.play(runs.processor, { ...SELDOM, concurrency, claimPageSize });
    await drained(scene);
    assert.deepStrictEqual([...runs.ids].sort(), [...names].sort());
    assert.ok(runs.most <= concurrency, `${runs.most}`);
  });
}

ours('three consumers share pending entries, and no job runs twice', async (_, scene) => {
  const names = jobs(600);
  await strand(scene, names, { idle: IDLE });
  const all = [new Runs(), new Runs(), new Runs()];
  await Promise.all(all.map(({ processor }) => scene.play(processor, SELDOM)));
  await drained(scene);
  assert.deepStrictEqual(all.flatMap(({ ids }) => ids).sort(), [...names].sort());
  assert.ok(
    all.every(({ ids }) => ids.length > 20),
    `${all.map(({ ids }) => ids.length)}`,
  );
});

/** Runs a backlog while there are always some new entries, and gives the kinds of jobs in their order from the first claim on. */
async function runBoth(scene, count, options) {
  await strand(scene, jobs(count, 'old'), { idle: IDLE });
  let sent = 0;
  const more = () => scene.add(`new-${sent++}`);
  const kinds = [];
  let left = count;
  const processor = async ({ id }) => {
    const [kind] = id.split('-');
    if (kinds.length > 0 || kind === 'old') kinds.push(kind);
    if (kind === 'old') left--;
    if (kind === 'new' && left > 0) await more();
  };
  await scene.play(processor, { ...SELDOM, claimInterval: 20, ...options });
  await Promise.all(Array.from({ length: 2 * options.concurrency }, more));
  await until(() => left === 0, { timeout: SOON });
  return kinds;
}

ours('new entries and pending entries take turns at a single slot', async (_, scene) => {
  const kinds = await runBoth(scene, 60, { concurrency: 1 });
  const runs = kinds.join(' ').match(/(\w+)( \1)*/g);
  const longest = Math.max(...runs.map((run) => run.split(' ').length));
  assert.ok(longest <= 4, kinds.join(' '));
});

ours('new entries and pending entries both get a share of many slots', async (_, scene) => {
  const kinds = await runBoth(scene, 3000, { concurrency: 32 });
  const share = kinds.filter((kind) => kind === 'new').length / kinds.length;
  assert.ok(share > 0.1 && share < 0.9, `${share}`);
});

ours('the streams of a consumer take turns', async (_, scene) => {
  const streams = [0, 1, 2].map(() => scene.name('stream'));
  for (const stream of streams) await strand(scene, jobs(40, stream), { stream, idle: IDLE });
  const runs = new Runs();
  const consumer = scene.consumer(SELDOM);
  for (const stream of streams) consumer.process({ stream, processor: runs.processor });
  await consumer.play();
  await until(() => runs.ids.length === 120, { timeout: SOON });
  const firsts = streams.map((stream) => runs.ids.slice(0, 30).filter((id) => id.startsWith(stream)).length);
  assert.ok(
    firsts.every((count) => count >= 8),
    `${firsts}`,
  );
});

ours('a consumer of all nodes claims the pending entries of each node', async (_, scene) => {
  const nodes = await scene.nodes();
  const call = (redis) => (words) => redis.call(...words);
  for (const [at, redis] of nodes.entries()) await strand(scene, jobs(40, at), { idle: IDLE, call: call(redis) });
  const runs = new Runs();
  const connection = scene.partition(nodes);
  await scene.play(runs.processor, { ...SELDOM, connection, route: scene.hfxbus.DISTRIBUTED_ROUTING });
  await Promise.all(nodes.map((redis) => drained(scene, { redis })));
  assert.deepStrictEqual([runs.ids.length, new Set(runs.ids).size, runs.most], [120, 120, 1]);
});

ours('a job that always fails delays no other job, and each one that fails is exhausted once', async (_, scene) => {
  const names = jobs(90);
  await strand(scene, names, { idle: IDLE });
  const ran = new Map();
  const exhausted = [];
  const processor = async ({ id }) => {
    ran.set(id, (ran.get(id) ?? 0) + 1);
    if (Number(id.split('-')[1]) % 3 === 0) throw new Error('again');
  };
  const backoff = { type: 'fixed', delay: 50 };
  const consumer = await scene.play(processor, { ...SELDOM, claimInterval: 100, backoff, retryLimit: 3 });
  consumer.on('exhausted', ({ data }) => exhausted.push(data.job));
  await until(() => exhausted.length === 30, { timeout: SOON });
  const failing = names.filter((_, index) => index % 3 === 0);
  assert.deepStrictEqual(exhausted.sort(), [...failing].sort());
  // Of three deliveries the first was to the one that is gone.
  assert.ok(
    names.every((name) => ran.get(name) === (failing.includes(name) ? 2 : 1)),
    JSON.stringify([...ran]),
  );
  await until(async () => (await scene.pending()) === 30);
});

ours('pending entries that reached retryLimit are dead-lettered, or stay pending', async (_, scene) => {
  for (const deadLetter of [undefined, scene.name('letters')]) {
    const stream = scene.name('stream');
    const names = jobs(400);
    const ids = await strand(scene, names, { stream, idle: IDLE });
    const hopeless = ids.filter((_, index) => index % 2 === 0);
    const rest = ['IDLE', IDLE, 'RETRYCOUNT', 9, 'JUSTID'];
    await scene.redis.call('XCLAIM', keys.stream(stream), keys.group(scene.group), 'gone', 0, ...hopeless, ...rest);
    const runs = new Runs();
    const exhausted = new Set();
    const consumer = await scene.play(runs.processor, { ...SELDOM, stream, deadLetter });
    consumer.on('exhausted', ({ id }) => exhausted.add(id));
    await until(() => exhausted.size === 200 && runs.ids.length === 200, { timeout: SOON });
    await until(async () => (await scene.pending({ stream })) === (deadLetter ? 0 : 200));
    await consumer.pause();
  }
});

ours('many pages of entries are dead-lettered without waiting for the next claim cycle', async (_, scene) => {
  const ids = await strand(scene, jobs(300), { idle: IDLE });
  const rest = ['IDLE', IDLE, 'RETRYCOUNT', 9, 'JUSTID'];
  await scene.redis.call('XCLAIM', keys.stream(scene.stream), keys.group(scene.group), 'gone', 0, ...ids, ...rest);
  const deadLetter = scene.name('letters');
  await scene.play(async () => {}, { ...SELDOM, claimPageSize: 2, deadLetter });
  await drained(scene);
  assert.strictEqual(await scene.length(deadLetter), 300);
});

ours('trimmed pending entries are reported and skipped, and the others run', async (_, scene) => {
  const names = jobs(300);
  const ids = await strand(scene, names, { idle: IDLE });
  const gone = ids.filter((_, index) => index % 3 === 0);
  await scene.redis.call('XDEL', keys.stream(scene.stream), ...gone);
  const runs = new Runs();
  let trimmed = 0;
  const consumer = await scene.play(runs.processor, SELDOM);
  consumer.on('trimmed', ({ count }) => {
    trimmed += count;
  });
  await drained(scene);
  await until(() => trimmed === gone.length);
  const left = names.filter((_, index) => index % 3 !== 0);
  assert.deepStrictEqual(runs.ids, left);
});

ours('a pause ends claiming after the running job, and play() resumes it', async (_, scene) => {
  const names = jobs(50);
  await strand(scene, names, { idle: IDLE });
  const ran = [];
  const [gate, tenth] = [new Gate(), new Gate()];
  const processor = async ({ id }) => {
    ran.push(id);
    if (ran.length !== 10) return;
    tenth.open();
    await gate.opened;
  };
  const consumer = await scene.play(processor, SELDOM);
  await tenth.opened;
  const paused = consumer.pause();
  gate.open();
  await paused;
  await stays(() => ran.length === 10, 300);
  assert.strictEqual(await scene.pending(), 40);
  await scene.add('fresh');
  await consumer.play();
  await drained(scene);
  await until(() => ran.length === 51);
  assert.deepStrictEqual([...ran].sort(), [...names, 'fresh'].sort());
});

ours('another consumer claims the rest when the first one stops in the middle', async (_, scene) => {
  const names = jobs(200);
  await strand(scene, names, { idle: IDLE });
  const connection = scene.connect();
  const runs = new Runs();
  const halfway = new Gate();
  const processor = async (job) => {
    await runs.processor(job);
    if (runs.ids.length === 100) halfway.open();
  };
  await scene.play(processor, { ...SELDOM, connection, concurrency: 2 });
  await halfway.opened;
  await connection.stop();
  const before = runs.ids.length;
  assert.ok(before < 200, `${before}`);
  assert.strictEqual(await scene.pending(), 200 - before);
  await scene.play(runs.processor, SELDOM);
  await drained(scene);
  assert.deepStrictEqual([...runs.ids].sort(), [...names].sort());
});

ours('a consumer without a free slot queries pending entries at most once per claimInterval', async (_, scene) => {
  await strand(scene, jobs(50), { idle: IDLE });
  const gate = new Gate();
  let running = 0;
  const claimInterval = 100;
  const processor = () => {
    running++;
    return gate.opened;
  };
  await scene.play(processor, { ...SELDOM, claimInterval, concurrency: 2 });
  await until(() => running === 2);
  const monitor = await scene.monitor();
  const began = performance.now();
  await until(async () => (await monitor.commands()).filter(searches).length >= 5);
  const [asked, took] = [(await monitor.commands()).filter(searches).length, performance.now() - began];
  // A look waits for a slot for another interval.
  assert.ok(asked <= took / claimInterval + 2, `${asked} in ${took} ms`);
  gate.open();
  await drained(scene);
});
