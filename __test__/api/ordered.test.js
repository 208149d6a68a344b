'use strict';

/* Ordered partitions: jobs of one key run in the order of their sends, and each partition has one owner. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { stays, until } = require('../support/wait-until.js');

const LEASE = 400;
const CLAIMS = { claimInterval: 50, claimDeadline: 300, concurrency: 16 };

/** A consumer of ordered partitions, with the partitions it owns and the errors it has reported. */
async function play(scene, processor, { partitions = 4, lease = LEASE, ...options } = {}) {
  const consumer = scene.consumer({ ...CLAIMS, ...options }, scene.connect());
  const errors = scene.errors(consumer);
  const owned = new Map();
  consumer.on('assigned', ({ partition, fence }) => owned.set(partition, fence));
  consumer.on('revoked', ({ partition }) => owned.delete(partition));
  consumer.process({ stream: scene.stream, partitions, ordered: { lease }, processor });
  await consumer.play();
  return { consumer, owned, errors };
}

/** Sends numbered jobs to keys in turn, each after the one before it. */
async function sendNumbered(scene, count, names, { from = 0, partitions = 4 } = {}) {
  const producer = scene.producer();
  const sends = [];
  for (let at = from; at < from + count; at++) {
    sends.push({ stream: scene.stream, partitions, key: names[at % names.length], job: producer.job(`${at}`) });
  }
  await producer.sendAll(sends);
}

/** Record of runs by key, and of runs of one key at a time. */
class Order {
  byKey = new Map();
  running = new Set();
  most = 0;
  overlaps = 0;

  begin({ key, id }) {
    if (this.running.has(key)) this.overlaps++;
    this.running.add(key);
    this.most = Math.max(this.most, this.running.size);
    this.byKey.set(key, [...(this.byKey.get(key) ?? []), Number(id)]);
  }

  end({ key }) {
    this.running.delete(key);
  }

  get count() {
    return [...this.byKey.values()].reduce((sum, { length }) => sum + length, 0);
  }

  check() {
    assert.strictEqual(this.overlaps, 0);
    for (const [key, ids] of this.byKey) {
      assert.deepStrictEqual(
        ids,
        [...ids].sort((left, right) => left - right),
        `key ${key}`,
      );
    }
  }
}

const tick = (redis) => redis.call('PING');

ours('jobs of one key run one after the other, and those of other keys beside them', async (_, scene) => {
  const order = new Order();
  const names = ['a', 'b', 'c', 'd', 'e'];
  const processor = async (job) => {
    order.begin(job);
    await tick(scene.redis);
    order.end(job);
  };
  await play(scene, processor);
  await sendNumbered(scene, 300, names);
  await until(() => order.count === 300);
  order.check();
  assert.ok(order.most > 1, 'several keys at a time');
  await until(() => order.running.size === 0);
});

ours('a job that fails blocks its key only, until it has run again', async (_, scene) => {
  const runs = [];
  let fails = true;
  const processor = async ({ key, id }) => {
    runs.push(`${key}${id}`);
    if (id !== '0' || !fails) return;
    fails = false;
    throw new Error('no');
  };
  await play(scene, processor, { partitions: 1 });
  await sendNumbered(scene, 6, ['a', 'b'], { partitions: 1 });
  await until(() => runs.length === 7);
  assert.deepStrictEqual(
    runs.filter((run) => run.startsWith('a')),
    ['a0', 'a0', 'a2', 'a4'],
  );
  // The other key did not wait for the retry.
  assert.ok(runs.lastIndexOf('a0') > runs.indexOf('b5'), runs.join());
});

ours('a job whose retries end lets the next one of its key run', async (_, scene) => {
  const runs = [];
  const processor = async ({ id }) => {
    runs.push(id);
    if (id === '0') throw new Error('no');
  };
  await play(scene, processor, { partitions: 1, retryLimit: 2, deadLetter: `${scene.stream}-dead` });
  await sendNumbered(scene, 2, ['a'], { partitions: 1 });
  await until(() => runs.length === 3);
  assert.deepStrictEqual(runs, ['0', '0', '1']);
});

ours('partitions move to a consumer that comes, and back when it pauses', async (_, scene) => {
  const order = new Order();
  const processor = async (job) => {
    order.begin(job);
    await tick(scene.redis);
    order.end(job);
  };
  const names = Array.from({ length: 40 }, (_, at) => `k${at}`);
  const partitions = 16;
  const first = await play(scene, processor, { partitions });
  await until(() => first.owned.size === partitions);
  const sending = sendNumbered(scene, 2000, names, { partitions });
  const second = await play(scene, processor, { partitions });
  await until(() => second.owned.size > 0 && first.owned.size + second.owned.size === partitions);
  assert.ok([...second.owned.keys()].every((partition) => !first.owned.has(partition)));
  const fences = [...second.owned.values()];
  assert.ok(
    fences.every((fence) => fence >= 2),
    `${fences}`,
  );
  await sending;
  const paused = performance.now();
  await second.consumer.pause();
  await until(() => first.owned.size === partitions);
  assert.ok(performance.now() - paused < 2 * LEASE + 500, 'soon');
  await until(() => order.count === 2000);
  order.check();
  assert.deepStrictEqual([first.errors, second.errors], [[], []]);
});

ours('a stop of the bus releases the partitions', async (_, scene) => {
  const first = await play(scene, () => {}, { lease: 60000 });
  await until(() => first.owned.size === 4, { timeout: 20000 });
  await first.consumer.connection.stop();
  const own = await scene.redis.call('KEYS', `hfxbus:own:${scene.stream}*`);
  assert.deepStrictEqual(own, []);
});

ours(
  'an owner that has lost its partition cannot settle its jobs there, and the next owner runs them',
  async (_, scene) => {
    const gate = new Gate();
    const jobs = [];
    const processor = async (job) => {
      jobs.push(job);
      if (jobs.length === 1) await gate.opened;
    };
    const first = await play(scene, processor, { partitions: 1 });
    await until(() => first.owned.size === 1);
    await sendNumbered(scene, 1, ['a'], { partitions: 1 });
    await until(() => jobs.length === 1);
    assert.strictEqual(jobs[0].fence, first.owned.get(0));
    // As if the owner had been frozen for longer than its lease.
    const own = `hfxbus:own:${scene.stream}#0:${scene.group}`;
    await scene.redis.call('MULTI');
    await scene.redis.call('DEL', own);
    await scene.redis.call('SADD', own, 'another');
    await scene.redis.call('PEXPIRE', own, LEASE);
    await scene.redis.call('EXEC');
    await until(() => first.owned.size === 0);
    gate.open();
    await until(() => first.errors.length === 1);
    assert.strictEqual(first.errors[0].cause?.code ?? first.errors[0].code, 'REJECT_JOB_ERROR');
    assert.match(first.errors[0].message, /another owner/);
    await until(() => jobs.length === 2);
    assert.ok(jobs[1].fence > jobs[0].fence);
    await until(async () => (await scene.pending({ stream: `${scene.stream}#0` })) === 0);
  },
);

ours('a consumer owns nothing while another one has the lease, whatever it asks', async (_, scene) => {
  const own = `hfxbus:own:${scene.stream}#0:${scene.group}`;
  await scene.redis.call('SADD', own, 'another');
  const { owned } = await play(scene, () => {}, { partitions: 1, lease: 100 });
  await stays(() => owned.size === 0, 300);
  await scene.redis.call('DEL', own);
  await until(() => owned.size === 1);
  assert.deepStrictEqual((await scene.redis.call('SMEMBERS', own)).length, 1);
});

ours('jobs without a key have no order, and a stream without the option has no owner', async (_, scene) => {
  const runs = [];
  const processor = async (job) => runs.push([job.key, typeof job.fence]);
  await play(scene, processor);
  const producer = scene.producer();
  await producer.send({ stream: scene.stream, partitions: 4, job: producer.job() });
  await until(() => runs.length === 1);
  assert.deepStrictEqual(runs, [[undefined, 'number']]);
  const plain = scene.name('plain');
  const consumer = scene.consumer();
  const seen = [];
  consumer.process({ stream: plain, processor: async (job) => seen.push([job.key, job.fence]) });
  await consumer.play();
  await producer.send({ stream: plain, key: 'k', job: producer.job() });
  await until(() => seen.length === 1);
  assert.deepStrictEqual(seen, [['k', undefined]]);
  assert.deepStrictEqual(await scene.redis.call('KEYS', `hfxbus:*${plain}*:${scene.group}`), []);
  assert.strictEqual(await scene.redis.call('EXISTS', keys.stream(plain)), 1);
});

ours('refused options of order say what is missing', async (_, scene) => {
  const processor = () => {};
  const consumer = scene.consumer({ claimInterval: 100 });
  const { stream } = scene;
  const of = (options) => () => consumer.process({ stream, processor, ...options });
  assert.throws(of({ ordered: true }), { name: 'TypeError', message: /needs partitions/ });
  assert.throws(of({ ordered: 'yes', partitions: 2 }), { name: 'TypeError', message: /ordered must be/ });
  assert.throws(of({ ordered: { lease: 1 }, partitions: 2 }), { name: 'RangeError', message: /ordered\.lease/ });
  const without = scene.consumer();
  assert.throws(() => without.process({ stream, processor, ordered: true, partitions: 2 }), /claimInterval/);
});
