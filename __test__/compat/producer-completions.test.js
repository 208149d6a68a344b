'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { subjects } = require('../support/implementations.js');
const { stays, until } = require('../support/wait-until.js');

/** A job that is waited for, sent, and `finished()` called: 2.2.0 sends only then. */
async function awaited(scene, options = {}, timeout) {
  const producer = options.producer ?? scene.producer();
  await producer.listen();
  const before = (await scene.redis.call('EXISTS', `hfxbus:str:${scene.stream}`)) ? await scene.length() : 0;
  const job = producer.job();
  await producer.send({ stream: scene.stream, job, waitFor: ['a', 'b'], ...options });
  const finished = job.finished(timeout);
  finished.catch(() => {});
  await until(
    async () => (await scene.redis.call('EXISTS', `hfxbus:str:${scene.stream}`)) && (await scene.length()) > before,
  );
  const complete = (group, rest) => scene.complete(job.id, producer.id, { group, ...rest });
  return { producer, job, finished, complete };
}

keep('B-033 the completions are an object: a Date for success, the thrown value for failure', async (_, scene) => {
  const { finished, complete } = await awaited(scene);
  const before = Date.now();
  await complete('a');
  await complete('b', { err: { message: 'no', code: 'NO' } });
  const completions = await finished;
  assert.deepStrictEqual(Object.keys(completions), ['a', 'b']);
  assert.ok(completions.a instanceof Date);
  assert.ok(completions.a.getTime() >= before - 1 && completions.a.getTime() <= Date.now());
  assert.deepStrictEqual(completions.b, { message: 'no', code: 'NO' });
  assert.strictEqual(Object.getPrototypeOf(completions), Object.prototype);
  completions.errid = 'mine';
  assert.strictEqual(completions.errid, 'mine');
});

keep('B-034 completions of other groups are added, but do not count', async (_, scene) => {
  const { finished, complete } = await awaited(scene);
  let isFinished = false;
  finished.then(() => {
    isFinished = true;
  });
  await complete('c', { err: 'c failed' });
  await complete('a');
  await stays(() => !isFinished, 30);
  await complete('b');
  const completions = await finished;
  assert.strictEqual(completions.c, 'c failed');
});

fix('B-035 B-037 a group counts once, and only a group that is waited for', async (_, scene) => {
  const { finished, complete } = await awaited(scene);
  let isFinished = false;
  finished.then(() => {
    isFinished = true;
  });
  for (const group of ['a', 'a', 'constructor', 'toString', '__proto__']) await complete(group);
  await stays(() => !isFinished, 30);
  await complete('b');
  const completions = await finished;
  for (const group of ['a', 'b', 'constructor', '__proto__']) {
    assert.ok(Object.getOwnPropertyDescriptor(completions, group).value instanceof Date, group);
  }
  assert.strictEqual(Object.getPrototypeOf(completions), Object.prototype);
});

keep('B-038 rejectOnError rejects with the completions at the first error', async (_, scene) => {
  const { finished, complete } = await awaited(scene, { rejectOnError: true });
  await complete('b', { err: { message: 'no', errno: 'E', errid: 'id' } });
  const error = await finished.then(assert.fail, (reason) => reason);
  assert.ok(!(error instanceof Error));
  assert.deepStrictEqual({ ...error }, { a: null, b: { message: 'no', errno: 'E', errid: 'id' } });
});

fix('D-19 a falsy error is an error', async (_, scene) => {
  for (const err of [0, '', false, null]) {
    const { finished, complete } = await awaited(scene, { rejectOnError: true });
    await complete('a', { err });
    const completions = await finished.then(assert.fail, (reason) => reason);
    assert.strictEqual(completions.a, err);
  }
});

keep('B-039 finished rejects when it takes too long', async (_, scene) => {
  for (const [timeout, text] of [
    [30, '30'],
    ['30', '30'],
    [-5, '-5'],
  ]) {
    const { finished } = await awaited(scene, {}, timeout);
    await assert.rejects(finished, {
      name: 'Error',
      // Ours says why, behind that.
      message: new RegExp(`^Timeouted while waiting to be finished: ${text}ms(;|$)`),
      code: 'FINISH_TIMEOUT',
      errno: 'FINISH_TIMEOUT',
    });
  }
});

keep('B-039 0, null, NaN and undefined mean no timeout', async (_, scene) => {
  for (const timeout of [0, null, Number.NaN, undefined]) {
    const { finished, complete } = await awaited(scene, { waitFor: ['a'] }, timeout);
    await complete('a');
    await finished;
  }
});

fix('B-039 a timeout beyond the limit of Node timers is kept', async (_, scene) => {
  const { finished, complete } = await awaited(scene, { waitFor: ['a'] }, 2 ** 31);
  let isFinished = false;
  const settled = finished.finally(() => {
    isFinished = true;
  });
  await stays(() => !isFinished, 40);
  await complete('a');
  await settled;
});

fix('B-032 after FINISH_TIMEOUT another finished() continues the wait', async (_, scene) => {
  const { job, finished, complete } = await awaited(scene, { waitFor: ['a'] }, 20);
  await assert.rejects(finished, { code: 'FINISH_TIMEOUT' });
  const again = job.finished(5000);
  await complete('a');
  assert.ok((await again).a instanceof Date);
  assert.strictEqual(await scene.length(), 1);
});

keep('B-030 finished() works detached from its job', async (_, scene) => {
  const producer = scene.producer();
  await producer.listen();
  const job = producer.job();
  await producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
  await scene.play(async () => {}, { fromId: '0' });
  const { finished } = job;
  assert.ok((await finished())[scene.group] instanceof Date);
});

keep('B-042 B-043 a stream event has error, job and group, and precedes the end of finished()', async (_, scene) => {
  const order = [];
  const producer = scene.producer();
  producer.on(scene.stream, (...args) => order.push(args));
  const { job, finished, complete } = await awaited(scene, { producer });
  const done = finished.then(() => order.push('finished'));
  await complete('a');
  await complete('b', { err: { message: 'no' } });
  await done;
  assert.deepStrictEqual(order, [[null, job.id, 'a'], [{ message: 'no' }, job.id, 'b'], 'finished']);
});

fix('B-043 a stream called like a job and its stream is just a stream', async (_, scene) => {
  const producer = scene.producer();
  const stream = 'x:y';
  let heard = 0;
  producer.on(stream, () => heard++);
  await producer.listen(stream);
  const job = producer.job('x');
  await producer.send({ stream: 'y', job, waitFor: ['g'] });
  await scene.complete('x', producer.id, { stream: 'y', group: 'g' });
  await job.finished(5000);
  await scene.complete('other', producer.id, { stream });
  await until(() => heard === 1);
});

for (const other of subjects) {
  keep(`E producers and consumers of both versions understand each other, consumer ${other.name}`, async (_, scene) => {
    const theirs = require(other.file);
    const connection = scene.adopt(theirs.ConnectionManager.standalone(scene.redis.options));
    const consumer = new theirs.Consumer(connection, { group: scene.group, concurrency: 4 });
    consumer.process({
      stream: scene.stream,
      processor: async (job) => {
        const { request } = await job.get('request').del('request').pull();
        if (request.toString() === 'bad') throw Object.assign(new Error('bad'), { code: 'BAD', errno: 'BAD' });
        await job.set('reply', Buffer.concat([request, Buffer.from([0, 255])])).push();
      },
    });
    await consumer.play();
    const producer = scene.producer();
    await producer.listen();
    for (const request of ['good', 'bad', 'good']) {
      const job = producer.job();
      await job.set('request', Buffer.from(request)).push();
      await producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
      const completion = (await job.finished(5000))[scene.group];
      if (request === 'bad') {
        assert.deepStrictEqual([completion.message, completion.code], ['bad', 'BAD']);
        continue;
      }
      assert.ok(completion instanceof Date);
      const { reply } = await job.get('reply').del('reply').pull();
      assert.deepStrictEqual(reply, Buffer.from([...Buffer.from(request), 0, 255]));
    }
    await consumer.pause();
  });
}
