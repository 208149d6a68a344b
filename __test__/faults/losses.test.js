'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { countsEntries } = require('../support/stream-counts.js');
const { until } = require('../support/wait-until.js');

const CLAIMING = { claimInterval: 20, claimDeadline: 5000 };

/** Adds entries and keeps only the last ones, in one step, so that no consumer reads in between. */
function addAndTrim(scene, count, left) {
  const script = `for number = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'prd', 'nobody', 'job', 'job-' .. number) end
    redis.call('XTRIM', KEYS[1], 'MAXLEN', ARGV[2])`;
  return scene.redis.call('EVAL', script, 1, keys.stream(scene.stream), count, left);
}

/** Returns the sums of the 'trimmed' events of a consumer. */
function losses(consumer) {
  const sum = { pending: 0, unread: 0 };
  consumer.on('trimmed', ({ stream, count, pending }) => {
    sum.stream = stream;
    sum[pending ? 'pending' : 'unread'] += count;
  });
  return sum;
}

/** Resolves once a consumer that claims has looked at the stream again, twice. */
async function looks(scene) {
  const monitor = await scene.monitor();
  const isLook = ([name, what]) => name === 'XINFO' && what.toUpperCase() === 'STREAM';
  await until(async () => (await monitor.commands()).filter(isLook).length >= 3, { what: 'a look at the stream' });
}

/** So many where Redis counts entries, and none where it does not. */
async function known(scene, count) {
  return (await countsEntries(scene.redis, keys.stream(scene.stream))) ? count : 0;
}

ours('entries that were trimmed before the group read them are counted once', async (_, scene) => {
  const gate = new Gate();
  const seen = [];
  const consumer = await scene.play(async (job) => seen.push(job.id) && gate.opened, CLAIMING);
  const lost = losses(consumer);
  await scene.add('first');
  await until(() => seen.length === 1);
  await addAndTrim(scene, 20, 5);
  await looks(scene);
  assert.deepStrictEqual([lost.unread, lost.pending], [await known(scene, 15), 0]);
  await addAndTrim(scene, 3, 5);
  gate.open();
  await until(() => seen.length === 6);
  await looks(scene);
  assert.deepStrictEqual([lost.unread, lost.pending], [await known(scene, 18), 0]);
  if (lost.unread > 0) assert.strictEqual(lost.stream, scene.stream);
});

ours('entries trimmed between two inspections are counted although the group has read on', async (_, scene) => {
  const seen = [];
  const consumer = await scene.play(async (job) => seen.push(job.id), { ...CLAIMING, concurrency: 9 });
  const lost = losses(consumer);
  for (let round = 1; round <= 5; round++) {
    await addAndTrim(scene, 10, 3);
    await until(() => seen.length === round * 3);
  }
  await looks(scene);
  assert.strictEqual(lost.unread, await known(scene, 35));
});

ours('entries trimmed while there was no consumer are counted by the next consumer', async (_, scene) => {
  const seen = [];
  const connection = scene.connect();
  await scene.play(async (job) => seen.push(job.id), { ...CLAIMING, connection });
  await scene.add('first');
  await until(async () => seen.length === 1 && (await scene.pending()) === 0);
  await connection.stop();
  await addAndTrim(scene, 20, 5);
  const next = scene.consumer(CLAIMING);
  const lost = losses(next);
  await next.process({ stream: scene.stream, processor: async (job) => seen.push(job.id) }).play();
  await until(() => seen.length === 6);
  await looks(scene);
  assert.strictEqual(lost.unread, await known(scene, 15));
});

ours('each of several claiming consumers counts the trimmed entries', async (_, scene) => {
  const gate = new Gate();
  const seen = [];
  const processor = async (job) => seen.push(job.id) && gate.opened;
  const consumers = [await scene.play(processor, CLAIMING), await scene.play(processor, CLAIMING)];
  const lost = consumers.map(losses);
  for (const job of ['first', 'second']) await scene.add(job);
  await until(() => seen.length === 2);
  await looks(scene);
  await addAndTrim(scene, 20, 5);
  await until(() => lost.every(({ unread }) => unread > 0), { timeout: 1000 }).catch(() => {});
  await looks(scene);
  const count = await known(scene, 15);
  assert.deepStrictEqual(
    lost.map(({ unread }) => unread),
    [count, count],
  );
  gate.open();
  await until(() => seen.length === 7);
});

ours('unread entries that capped sends push out are counted as well', async (_, scene) => {
  const gate = new Gate();
  const seen = [];
  const consumer = await scene.play(async (job) => seen.push(job.id) && gate.opened, { ...CLAIMING, concurrency: 2 });
  const lost = losses(consumer);
  const producer = scene.producer();
  await producer.send({ stream: scene.stream, job: producer.job('first') });
  await until(() => seen.length === 1);
  const sends = Array.from({ length: 1000 }, () =>
    producer.send({ stream: scene.stream, job: producer.job(), capped: 100 }),
  );
  await Promise.all(sends);
  gate.open();
  const last = await scene.add('last');
  const key = keys.stream(scene.stream);
  await until(async () => {
    const [group] = await scene.redis.call('XINFO', 'GROUPS', key);
    return group.includes(last) && (await scene.pending()) === 0;
  });
  await looks(scene);
  const gone = 1002 - seen.length;
  assert.ok(gone > 0, 'something was pushed out, or this shows nothing');
  // One that had been read and waited for its turn may be among them, and is counted as such.
  assert.strictEqual(lost.unread + lost.pending, await known(scene, gone));
});

for (const [what, prepare] of [
  ['was done', null],
  ['was sent before the group was made', 'made late'],
  ['was skipped by hand', 'set forward'],
]) {
  ours(`an entry that ${what} and is trimmed then is not counted`, async (_, scene) => {
    const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
    const seen = [];
    if (prepare === 'made late') await addAndTrim(scene, 20, 5);
    const options = { ...CLAIMING, concurrency: 9, fromId: prepare === 'made late' ? '0' : '$' };
    const consumer = await scene.play(async (job) => seen.push(job.id), options);
    const lost = losses(consumer);
    await addAndTrim(scene, 5, 100);
    const before = prepare === 'made late' ? 10 : 5;
    await until(async () => seen.length === before && (await scene.pending()) === 0);
    await looks(scene);
    if (prepare === 'set forward') {
      const script = `for number = 1, 9 do redis.call('XADD', KEYS[1], '*', 'prd', 'nobody', 'job', 'skipped') end
        redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], '$')`;
      await scene.redis.call('EVAL', script, 1, key, group);
    }
    await looks(scene);
    await scene.redis.call('XTRIM', key, 'MAXLEN', 0);
    await looks(scene);
    await scene.add('last');
    await until(() => seen.at(-1) === 'last');
    await looks(scene);
    assert.deepStrictEqual([lost, seen.length], [{ pending: 0, unread: 0 }, before + 1]);
  });
}
