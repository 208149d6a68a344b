'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const STREAMS = 10;
const INTERVAL = 40;
/** An XPENDING with a range looks for entries; without one it only counts them. */
const searches = (words) => words[0] === 'XPENDING' && words.length > 3;
const counts = (words) => words[0] === 'XPENDING' && words.length === 3;
const looksAt = (about) => (words) => words[0] === 'XINFO' && words[1].toUpperCase() === about;

/** Redis knows of a consumer once that was given something. */
async function introduce(scene, key, consumer) {
  const group = keys.group(scene.group);
  await scene.redis.call('XGROUP', 'CREATE', key, group, '$', 'MKSTREAM');
  const id = await scene.redis.call('XADD', key, '*', 'prd', 'p', 'job', 'j');
  await scene.redis.call('XREADGROUP', 'GROUP', group, consumer, 'STREAMS', key, '>');
  await scene.redis.call('XACK', key, group, id);
}

/** A consumer of some streams that claims, and what it says. */
async function play(scene, { processor = () => {}, others = [] } = {}) {
  const consumer = scene.consumer({ concurrency: 2, claimInterval: INTERVAL, claimDeadline: 60000 });
  const streams = Array.from({ length: STREAMS }, () => scene.name('stream'));
  for (const stream of streams) {
    consumer.process({ stream, processor });
    for (const other of others) await introduce(scene, keys.stream(stream), other);
  }
  const monitor = await scene.monitor();
  await consumer.play();
  return { streams, monitor };
}

/** Waits until a stream was inspected so often since now; what was asked meanwhile, and for how long. */
async function watch(monitor, times) {
  await monitor.clear();
  const began = performance.now();
  await until(async () => (await monitor.commands()).filter(looksAt('STREAM')).length >= times * STREAMS);
  const took = performance.now() - began;
  const commands = await monitor.commands();
  return { took, count: (is) => commands.filter(is).length };
}

ours(
  'a consumer that is alone in its group, with nothing pending, inspects each stream once in five intervals',
  async (_, scene) => {
    const { monitor } = await play(scene);
    await watch(monitor, 2);
    const { took, count } = await watch(monitor, 3);
    // One more of each at either end.
    assert.ok(
      count(looksAt('STREAM')) <= (took / (5 * INTERVAL) + 2) * STREAMS,
      `${count(looksAt('STREAM'))} in ${took} ms`,
    );
    assert.strictEqual(count(looksAt('GROUPS')), count(looksAt('STREAM')));
    assert.deepStrictEqual([count(counts), count(searches)], [0, 0]);
  },
);

ours(
  'in a group of several consumers a stream is counted in four cycles, inspected in the fifth, and not searched',
  async (_, scene) => {
    const { monitor } = await play(scene, { others: ['other'] });
    await watch(monitor, 1);
    const { count } = await watch(monitor, 3);
    const [counted, inspected] = [count(counts), count(looksAt('STREAM'))];
    // One more or less of each round at either end.
    assert.ok(Math.abs(inspected - counted / 4) <= STREAMS / 2, `${inspected} inspections, ${counted} counts`);
    assert.strictEqual(count(looksAt('GROUPS')), inspected);
    assert.strictEqual(count(searches), 0);
  },
);

ours('a single foreign consumer in the group is not mistaken for the consumer itself', async (_, scene) => {
  const { monitor } = await play(scene, { others: ['other'] });
  await watch(monitor, 3);
  const { count } = await watch(monitor, 2);
  assert.ok(count(counts) > 0);
});

ours('a consumer that received an entry recognizes itself as alone in the group', async (_, scene) => {
  let ran = 0;
  const { streams, monitor } = await play(scene, { processor: () => void ran++ });
  for (const stream of streams) await scene.add('job', { stream });
  await until(() => ran === STREAMS);
  await watch(monitor, 2);
  const { count } = await watch(monitor, 2);
  assert.strictEqual(count(counts), 0);
});

ours('only streams with pending entries are searched in each claim cycle', async (_, scene) => {
  const gate = new Gate();
  const { streams, monitor } = await play(scene, { processor: () => gate.opened });
  await watch(monitor, 2);
  const [stream, ...others] = streams.map((name) => keys.stream(name));
  await scene.add('job', { stream: streams[0] });
  await until(async () => (await monitor.about(stream)).filter(searches).length >= 10);
  const commands = await monitor.commands();
  assert.ok(!commands.some((words) => searches(words) && others.includes(words[1])));
  gate.open();
});

ours(
  'an entry that a new consumer reads and returns is claimed, although the group had a single consumer before',
  async (_, scene) => {
    const ran = [];
    const { streams, monitor } = await play(scene, { processor: (job) => void ran.push(job.id) });
    await watch(monitor, 2);
    const [key, group] = [keys.stream(streams[0]), keys.group(scene.group)];
    // No blocked consumer gets an entry that is read within the transaction.
    await scene.redis.call('MULTI');
    await scene.redis.call('XADD', key, '1-1', 'prd', 'p', 'job', 'given-back');
    await scene.redis.call('XREADGROUP', 'GROUP', group, 'newcomer', 'STREAMS', key, '>');
    await scene.redis.call('XCLAIM', key, group, 'newcomer', 0, '1-1', 'IDLE', 60000, 'JUSTID');
    await scene.redis.call('EXEC');
    await until(() => ran.length > 0);
    assert.deepStrictEqual(ran, ['given-back']);
  },
);
