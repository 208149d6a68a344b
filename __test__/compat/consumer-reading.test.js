'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { stays, until } = require('../support/wait-until.js');

keep('B-056 B-057 play() creates a missing group, and reads', async (_, scene) => {
  const monitor = await scene.monitor();
  await scene.play(async () => {}, { id: 'C', concurrency: 2, blockTimeout: 300 });
  const [stream, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  await until(async () => (await monitor.named('XREADGROUP')).length > 0);
  const [[create], [read]] = [await monitor.named('XGROUP'), await monitor.named('XREADGROUP')];
  assert.deepStrictEqual(
    create.map((word) => word.toLowerCase()),
    ['xgroup', 'create', stream, group, '$', 'mkstream'],
  );
  assert.deepStrictEqual(
    read.map((word) => (word === stream || word === group || word === 'C' ? word : word.toLowerCase())),
    ['xreadgroup', 'group', group, 'C', 'count', '2', 'block', '300', 'streams', stream, '>'],
  );
});

keep('B-057 every entry sent after play() resolved is read', async (_, scene) => {
  for (let round = 0; round < 20; round++) {
    const stream = scene.name('stream');
    const seen = [];
    const consumer = await scene.play(async (job) => seen.push(job.id), { stream });
    await scene.add('job-1', { stream });
    await until(() => seen.length === 1);
    await consumer.pause();
  }
});

keep('B-056 a new group starts after the existing entries, or at fromId', async (_, scene) => {
  const first = await scene.add('job-1');
  await scene.add('job-2');
  const seen = { latest: [], start: [], second: [] };
  const from = { latest: undefined, start: '0', second: first };
  for (const name of Object.keys(seen)) {
    await scene.play(async (job) => seen[name].push(job.id), { group: name, fromId: from[name] });
  }
  await scene.add('job-3');
  await until(() => Object.values(seen).every((jobs) => jobs.at(-1) === 'job-3'));
  assert.deepStrictEqual(seen, {
    latest: ['job-3'],
    start: ['job-1', 'job-2', 'job-3'],
    second: ['job-2', 'job-3'],
  });
});

keep('B-056 an existing group keeps its position, unless setId is given', async (_, scene) => {
  await scene.add('job-1');
  await scene.redis.call('XGROUP', 'CREATE', keys.stream(scene.stream), keys.group(scene.group), '$');
  const [left, set] = [[], []];
  const consumer = await scene.play(async (job) => left.push(job.id), { fromId: '0' });
  await scene.add('job-2');
  await until(() => left.length === 1);
  await consumer.pause();
  await scene.play(async (job) => set.push(job.id), { fromId: '0', setId: true, concurrency: 2 });
  await until(() => set.length >= 2);
  assert.deepStrictEqual([left, set.slice(0, 2)], [['job-2'], ['job-1', 'job-2']]);
});

keep('B-057 play() rejects with the error of Redis', async (_, scene) => {
  await scene.redis.call('SET', keys.stream(scene.stream), 'something else');
  await assert.rejects(
    scene.play(async () => {}),
    { name: 'ReplyError', message: /^WRONGTYPE/ },
  );
});

fix('B-058 play without a processor rejects', async (_, scene) => {
  await assert.rejects(scene.consumer().play(), /process\(\)/);
});

fix('B-059 a new stream is read from the next play() on, also during a blocked read', async (_, scene) => {
  const seen = [];
  const other = scene.name('stream');
  const consumer = await scene.play(async () => {}, { blockTimeout: 0 });
  consumer.process({ stream: other, processor: async (job) => seen.push(job.id) });
  await consumer.play();
  await scene.add('job-1', { stream: other });
  await until(() => seen.length === 1, { timeout: 3000 });
});

keep('B-059 a second play() runs no job twice', async (_, scene) => {
  const seen = [];
  const consumer = await scene.play(async (job) => seen.push(job.id), { blockTimeout: 200 });
  await consumer.play();
  await scene.add('job-1');
  await scene.add('job-2');
  await until(() => seen.length >= 2);
  assert.deepStrictEqual(seen, ['job-1', 'job-2']);
});

keep('B-059 a processor can be replaced at any time; a new stream waits for the next play()', async (_, scene) => {
  const seen = [];
  const other = scene.name('stream');
  const consumer = await scene.play(async () => seen.push('old'), { blockTimeout: 200 });
  await scene.add('job-1');
  await until(() => seen.length === 1);
  consumer.process({ stream: scene.stream, processor: async () => seen.push('new') });
  consumer.process({ stream: other, processor: async () => seen.push('other'), fromId: '0' });
  await scene.add('job-2');
  await until(() => seen.length === 2);
  await scene.add('job-3', { stream: other });
  await stays(() => seen.length === 2, 50);
  await consumer.play();
  await until(() => seen.length === 3);
  assert.deepStrictEqual(seen, ['old', 'new', 'other']);
});

fix('B-053 concurrency limits all streams together', async (_, scene) => {
  const streams = [1, 2, 3].map(() => scene.name('stream'));
  const consumer = scene.consumer({ concurrency: 2 });
  let [running, most, done] = [0, 0, 0];
  const processor = async () => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running--;
    done++;
  };
  for (const stream of streams) consumer.process({ stream, processor, fromId: '0' });
  for (let job = 0; job < 60; job++) await scene.add(`job-${job}`, { stream: streams[job % 3] });
  await consumer.play();
  await until(() => done === 60);
  assert.strictEqual(most, 2);
});

fix('B-054 B-055 readFrom 0 runs the pending entries of this consumer once, then new entries', async (_, scene) => {
  const [group, other] = [keys.group(scene.group), scene.name('stream')];
  for (const stream of [scene.stream, other]) {
    await scene.add('old-1', { stream });
    await scene.add('old-2', { stream });
    await scene.redis.call('XGROUP', 'CREATE', keys.stream(stream), group, '0');
    await scene.redis.call('XREADGROUP', 'GROUP', group, 'me', 'STREAMS', keys.stream(stream), '>');
  }
  const seen = [];
  const consumer = scene.consumer({ id: 'me', concurrency: 8, blockTimeout: 200 });
  const processor = (name) => async (job) => {
    seen.push(`${name} ${job.id}`);
    if (job.id === 'old-1') throw new Error('stays pending');
  };
  consumer.process({ stream: scene.stream, processor: processor('history'), readFrom: '0' });
  consumer.process({ stream: other, processor: processor('new') });
  const monitor = await scene.monitor();
  await consumer.play();
  await until(() => seen.length === 2);
  for (const stream of [scene.stream, other]) await scene.add('new-1', { stream });
  await until(() => seen.length === 4);
  assert.deepStrictEqual(seen.slice(0, 2), ['history old-1', 'history old-2']);
  assert.deepStrictEqual(seen.slice(2).sort(), ['history new-1', 'new new-1']);
  assert.ok((await monitor.named('XREADGROUP')).length < 20);
});

fix('B-051 pending entries that were deleted take no slot', async (_, scene) => {
  const [stream, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  const entry = await scene.add('gone');
  await scene.redis.call('XGROUP', 'CREATE', stream, group, '0');
  await scene.redis.call('XREADGROUP', 'GROUP', group, 'me', 'STREAMS', stream, '>');
  await scene.redis.call('XDEL', stream, entry);
  const seen = [];
  const consumer = await scene.play(async (job) => seen.push(job.id), { id: 'me', readFrom: '0' });
  const errors = scene.errors(consumer);
  await scene.add('job-1');
  await until(() => seen.length === 1);
  await until(async () => (await scene.pending()) === 0);
  assert.deepStrictEqual([seen, errors], [['job-1'], []]);
});

fix('B-076 the group of a deleted stream is created again, without a storm of commands', async (_, scene) => {
  const seen = [];
  const consumer = await scene.play(async (job) => seen.push(job.id));
  const errors = scene.errors(consumer);
  await scene.add('job-1');
  await until(() => seen.length === 1);
  const monitor = await scene.monitor();
  await scene.redis.call('DEL', keys.stream(scene.stream));
  await scene.add('job-2');
  await until(() => seen.length === 2);
  assert.deepStrictEqual(seen, ['job-1', 'job-2']);
  assert.ok((await monitor.named('XREADGROUP')).length < 20);
  // Redis says first that the key is gone, then that the group is.
  assert.ok(errors.length <= 2);
  for (const { code } of errors) assert.strictEqual(code, 'CONSUME_ERROR');
});

fix('B-076 a deleted stream with lower ids in its new entries is read from its start', async (_, scene) => {
  const seen = [];
  const stream = keys.stream(scene.stream);
  await scene.play(async (job) => seen.push(job.id));
  await scene.add('job-1');
  await until(() => seen.length === 1);
  const replaceBy = (id, job) =>
    Promise.all([scene.redis.call('DEL', stream), scene.redis.call('XADD', stream, id, 'prd', '', 'job', job)]);
  // As after a failover to a server whose clock is behind.
  await replaceBy('5-0', 'job-2');
  await until(() => seen.length === 2);
  // As within one millisecond.
  await replaceBy('5-0', 'job-3');
  await until(() => seen.length === 3);
  // What was run since is not run again.
  await scene.redis.call('XGROUP', 'DESTROY', stream, keys.group(scene.group));
  await scene.add('job-4');
  await until(() => seen.length === 4);
  assert.deepStrictEqual(seen, ['job-1', 'job-2', 'job-3', 'job-4']);
});

fix('B-076 a stream that became another type is reported once, and read again as a stream', async (_, scene) => {
  const seen = [];
  const consumer = await scene.play(async (job) => seen.push(job.id), { fromId: '0' });
  const errors = scene.errors(consumer);
  const monitor = await scene.monitor();
  await scene.redis.call('SET', keys.stream(scene.stream), 'something else');
  await until(() => errors.length > 0);
  await stays(() => errors.length < 5, 300);
  for (const { code, errno } of errors) assert.deepStrictEqual([code, errno], ['CONSUME_ERROR', 'CONSUME_ERROR']);
  assert.ok((await monitor.named('XREADGROUP')).length < 20);
  await scene.redis.call('DEL', keys.stream(scene.stream));
  await scene.add('job-1');
  await until(() => seen.length === 1);
});

fix('B-077 B-078 values that parseInt turns into NaN mean the default', async (_, scene) => {
  for (const missing of [undefined, null, Number.NaN]) {
    const monitor = await scene.monitor();
    const options = { concurrency: missing, blockTimeout: missing, claimInterval: missing, retryLimit: missing };
    const stream = scene.name('stream');
    await scene.play(async () => {}, { ...options, claimPageSize: missing, claimDeadline: missing, stream });
    const [read] = await until(async () => {
      const reads = await monitor.about(keys.stream(stream));
      return (
        reads.filter(([name]) => name === 'XREADGROUP').length > 0 && reads.filter(([name]) => name === 'XREADGROUP')
      );
    });
    assert.deepStrictEqual(read.slice(4, 8), ['COUNT', '1', 'BLOCK', '5000']);
  }
});

fix('B-077 B-078 invalid options are rejected by name', (_, scene) => {
  for (const name of ['concurrency', 'retryLimit', 'claimPageSize']) {
    for (const value of [0, -1, 0.5, -Infinity]) {
      assert.throws(() => scene.consumer({ [name]: value }), { name: 'RangeError', message: new RegExp(name) });
    }
    assert.throws(() => scene.consumer({ [name]: {} }), { name: 'TypeError', message: new RegExp(name) });
  }
  for (const name of ['blockTimeout', 'claimInterval', 'claimDeadline']) {
    assert.throws(() => scene.consumer({ [name]: -1 }), { name: 'RangeError', message: new RegExp(name) });
  }
  assert.throws(() => scene.consumer({ claimPageSize: Infinity }), { name: 'RangeError', message: /claimPageSize/ });
});

fix('B-077 concurrency is floored, can be a string, and can be without limit', async (_, scene) => {
  for (const [given, expected] of [
    [2.9, 2],
    ['3', 3],
    [Infinity, 20],
  ]) {
    const [stream, gate] = [scene.name('stream'), new Gate()];
    let running = 0;
    const processor = () => {
      running++;
      return gate.opened;
    };
    await scene.play(processor, { stream, concurrency: given });
    for (let job = 0; job < 20; job++) await scene.add(`job-${job}`, { stream });
    await until(() => running === expected);
    await stays(() => running === expected, 30);
    gate.open();
  }
});

fix('B-078 pause() ends a read without a time limit', async (_, scene) => {
  const consumer = await scene.play(async () => {}, { blockTimeout: 0 });
  await consumer.pause();
});

keep('B-079 a route must be a string or DISTRIBUTED_ROUTING', (_, scene) => {
  for (const route of [5, Symbol('x'), {}]) assert.throws(() => scene.consumer({ route }), /^Error: Invalid route: /);
  scene.consumer({ route: scene.hfxbus.DISTRIBUTED_ROUTING });
  scene.consumer({ route: 'somewhere' });
});

fix('B-079 the default route is the route of the group; a missing group is a TypeError', (_, scene) => {
  scene.consumer({ route: undefined });
  scene.consumer({ route: null });
  assert.throws(() => new scene.hfxbus.Consumer(scene.connection, {}), { name: 'TypeError', message: /group/ });
  assert.throws(() => new scene.hfxbus.Consumer(scene.connection), { name: 'TypeError', message: /group/ });
});

fix('B-084 consumers of the same id do not starve each other, nor do ids of connections', async (_, scene) => {
  for (const id of ['me', 'jobs', 'streams', 'channels']) {
    const [one, two] = [[], []];
    const streams = [scene.name('stream'), scene.name('stream')];
    await scene.play(async (job) => one.push(job.id), { id, stream: streams[0] });
    await scene.play(async (job) => two.push(job.id), { id, stream: streams[1] });
    for (const stream of streams) for (let job = 0; job < 5; job++) await scene.add(`job-${job}`, { stream });
    await until(() => one.length === 5 && two.length === 5);
  }
});
