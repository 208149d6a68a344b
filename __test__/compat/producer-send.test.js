'use strict';

const assert = require('node:assert');
const { fix, keep, ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { stays, until } = require('../support/wait-until.js');

const words = (commands) => commands.map((command) => command.map((word) => (word === 'maxlen' ? 'MAXLEN' : word)));

keep('B-030 without waitFor the entry is sent, and send() returns the same job', async (_, scene) => {
  const producer = scene.producer();
  const monitor = await scene.monitor();
  for (const waitFor of [undefined, null, false]) {
    const job = producer.job();
    assert.strictEqual(await producer.send({ stream: scene.stream, job, waitFor }), job);
    assert.strictEqual(job.finished, undefined);
    const sent = await monitor.about(job.id);
    assert.deepStrictEqual(sent, [['XADD', keys.stream(scene.stream), '*', 'prd', producer.id, 'job', job.id]]);
  }
});

keep('B.3 capped bounds the stream approximately, 0 does not', async (_, scene) => {
  const producer = scene.producer();
  const monitor = await scene.monitor();
  const stream = keys.stream(scene.stream);
  for (const [capped, expected] of [
    [5, ['MAXLEN', '~', '5']],
    [0, []],
    [undefined, []],
  ]) {
    const job = await producer.send({ stream: scene.stream, job: producer.job(), capped });
    const sent = await monitor.about(job.id);
    assert.deepStrictEqual(words(sent), [['XADD', stream, ...expected, '*', 'prd', producer.id, 'job', job.id]]);
  }
});

keep('B-030 send() rejects with the error of Redis', async (_, scene) => {
  const producer = scene.producer();
  await scene.redis.call('SET', keys.stream(scene.stream), 'something else');
  const sent = producer.send({ stream: scene.stream, job: producer.job() });
  await assert.rejects(sent, { name: 'ReplyError', message: /^WRONGTYPE/ });
});

fix('B-031 B-032 send() with waitFor resolves after Redis accepted it; finished() only waits', async (_, scene) => {
  const producer = scene.producer();
  const monitor = await scene.monitor();
  const job = producer.job();
  assert.strictEqual(await producer.send({ stream: scene.stream, job, waitFor: [scene.group] }), job);
  assert.strictEqual(await scene.length(), 1);
  const [first, second] = [job.finished(), job.finished()];
  await scene.complete(job.id, producer.id);
  const completions = await first;
  assert.ok(completions[scene.group] instanceof Date);
  assert.deepStrictEqual([await second, await job.finished()], [completions, completions]);
  assert.strictEqual((await monitor.named('XADD')).length, 1);
});

fix('B-031 a completion received before the call of finished() counts', async (_, scene) => {
  const producer = scene.producer();
  const errored = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['g'] });
  const heard = await scene.hear(keys.channel(scene.stream, '*'));
  await scene.complete(errored.id, producer.id, { group: 'g', err: 'no' });
  await until(() => heard.length === 1);
  assert.deepStrictEqual(await errored.finished(5000), { g: 'no' });
});

fix('B-041 finished() needs no listen()', async (_, scene) => {
  const producer = scene.producer();
  await scene.play(async () => {});
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  assert.ok((await job.finished(5000))[scene.group] instanceof Date);
});

fix('B-031 own completions use a channel of their own, subscribed before the entry is sent', async (_, scene) => {
  const producer = scene.producer();
  const monitor = await scene.monitor();
  await producer.listen();
  await producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['g'] });
  await producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['g'] });
  const commands = await monitor.named('SUBSCRIBE', 'PSUBSCRIBE', 'XADD');
  assert.deepStrictEqual(
    commands.map(([name, first]) => [name, first]),
    [
      ['SUBSCRIBE', keys.channel(scene.stream, producer.id)],
      ['XADD', keys.stream(scene.stream)],
      ['XADD', keys.stream(scene.stream)],
    ],
  );
});

fix('B-036 duplicate groups count once, and no groups mean the end once the entry is added', async (_, scene) => {
  const producer = scene.producer();
  const twice = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['g', 'g'] });
  await scene.complete(twice.id, producer.id, { group: 'g' });
  assert.deepStrictEqual(Object.keys(await twice.finished(5000)), ['g']);
  const none = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [] });
  assert.strictEqual(await scene.length(), 2);
  assert.deepStrictEqual(await none.finished(), {});
});

fix('B-036 a waitFor that is no array of strings is rejected before anything is sent', async (_, scene) => {
  const producer = scene.producer();
  for (const waitFor of ['g', true, {}, [1], [undefined], 7]) {
    const sent = producer.send({ stream: scene.stream, job: producer.job(), waitFor });
    await assert.rejects(sent, { name: 'TypeError', message: /waitFor/ });
  }
  assert.strictEqual(await scene.redis.call('EXISTS', keys.stream(scene.stream)), 0);
});

fix('B-040 a refused send leaves no finished() behind', async (_, scene) => {
  const producer = scene.producer();
  await producer.listen();
  await scene.redis.call('SET', keys.stream(scene.stream), 'something else');
  const job = producer.job();
  await assert.rejects(producer.send({ stream: scene.stream, job, waitFor: ['g'] }), { code: 'WRONGTYPE' });
  assert.strictEqual('finished' in job, false);
});

fix('B-032 the same job can be sent again, and to another stream', async (_, scene) => {
  const producer = scene.producer();
  const [job, other] = [producer.job(), scene.name('stream')];
  await producer.send({ stream: scene.stream, job, waitFor: ['g'] });
  const first = job.finished();
  await producer.send({ stream: other, job, waitFor: ['g'] });
  const second = job.finished();
  await scene.complete(job.id, producer.id, { group: 'g', stream: other, err: 'other' });
  await scene.complete(job.id, producer.id, { group: 'g' });
  assert.deepStrictEqual(await second, { g: 'other' });
  assert.ok((await first).g instanceof Date);
});

ours('send() rejects invalid arguments by name', async (_, scene) => {
  const producer = scene.producer();
  const good = { stream: scene.stream, job: producer.job() };
  for (const [bad, name, message] of [
    [{ ...good, stream: undefined }, 'TypeError', /stream/],
    [{ ...good, stream: Symbol('s') }, 'TypeError', /stream/],
    [{ ...good, job: undefined }, 'TypeError', /job/],
    [{ ...good, job: 'id' }, 'TypeError', /job/],
    [{ ...good, capped: -1 }, 'RangeError', /capped/],
    [{ ...good, capped: 1.5 }, 'RangeError', /capped/],
    [undefined, 'TypeError', /job|stream/],
    ['text', 'TypeError', /options/],
  ]) {
    await assert.rejects(producer.send(bad), { name, message });
  }
  await stays(async () => (await scene.redis.call('EXISTS', keys.stream(scene.stream))) === 0, 20);
});
