'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { stays, until } = require('../support/wait-until.js');

/** Plays a consumer, and gives what completions were published and which errors were emitted. */
async function observed(scene, processor, options) {
  const heard = await scene.hear(keys.channel(scene.stream, '*'));
  const consumer = await scene.play(processor, options);
  const errors = scene.errors(consumer);
  return { consumer, errors, heard, messages: () => heard.map(({ message }) => JSON.parse(message)) };
}

keep('B-052 jobs start in the order of the stream, at most concurrency at once', async (_, scene) => {
  const gates = Array.from({ length: 6 }, () => new Gate());
  const started = [];
  await scene.play((job) => gates[started.push(job.id) - 1].opened, { concurrency: 3 });
  for (let index = 0; index < 6; index++) await scene.add(`job-${index}`);
  await until(() => started.length === 3);
  await stays(() => started.length === 3, 60);
  for (let done = 0; done < 6; done++) {
    gates[done].open();
    await until(() => started.length >= Math.min(6, done + 4));
  }
  assert.deepStrictEqual(started, ['job-0', 'job-1', 'job-2', 'job-3', 'job-4', 'job-5']);
});

keep('B-060 B-062 a fulfilled job is acknowledged and reported, in this order', async (_, scene) => {
  const monitor = await scene.monitor();
  const { messages } = await observed(scene, async () => 'ignored');
  const entry = await scene.add('job-1', { producer: 'P' });
  await until(() => messages().length === 1);
  assert.deepStrictEqual(messages(), [{ str: scene.stream, grp: scene.group, job: 'job-1' }]);
  await until(async () => (await scene.pending()) === 0);
  assert.deepStrictEqual(await monitor.named('XACK', 'PUBLISH'), [
    ['XACK', keys.stream(scene.stream), keys.group(scene.group), entry],
    ['PUBLISH', keys.channel(scene.stream, 'P'), `{"str":"${scene.stream}","grp":"${scene.group}","job":"job-1"}`],
  ]);
});

keep('B-060 B-062 a rejected job is reported with its error, and stays pending', async (_, scene) => {
  const { errors, messages } = await observed(scene, async () => {
    throw Object.assign(new Error('no'), { code: 'NO', extra: { a: 1 } });
  });
  await scene.add('job-1');
  await until(() => messages().length === 1);
  const [{ err, ...rest }] = messages();
  assert.deepStrictEqual(rest, { str: scene.stream, grp: scene.group, job: 'job-1' });
  assert.deepStrictEqual(
    { ...err, stack: null },
    { code: 'NO', extra: { a: 1 }, name: 'Error', message: 'no', stack: null },
  );
  assert.strictEqual(await scene.pending(), 1);
  assert.deepStrictEqual(errors, []);
});

fix('B-061 a processor that throws synchronously, or returns no promise, works like any other', async (_, scene) => {
  const { errors, messages } = await observed(
    scene,
    (job) => {
      if (job.id === 'job-0') throw new Error('at once');
      return 'no promise';
    },
    { concurrency: 3 },
  );
  for (let index = 0; index < 4; index++) await scene.add(`job-${index}`);
  await until(() => messages().length === 4);
  const failed = messages().filter(({ err }) => err);
  assert.deepStrictEqual(
    failed.map(({ job, err }) => [job, err.message]),
    [['job-0', 'at once']],
  );
  await until(async () => (await scene.pending()) === 1);
  assert.deepStrictEqual(errors, []);
});

keep('B-063 after settlement resolve, reject and release are gone', async (_, scene) => {
  let job;
  const { messages } = await observed(scene, async (received) => {
    job = received;
    await received.resolve();
    assert.deepStrictEqual([received.resolve, received.reject, received.release], [undefined, undefined, undefined]);
  });
  await scene.add('job-1');
  await until(() => messages().length === 1);
  await until(() => job.resolve === undefined);
  assert.throws(() => job.resolve(), TypeError);
});

keep('B-063 B-074 an error thrown after settlement is UNHANDLED_JOB_ERROR, with the job', async (_, scene) => {
  let received;
  const { errors, messages } = await observed(scene, async (job) => {
    received = job;
    await job.resolve();
    throw new Error('late');
  });
  await scene.add('job-1');
  // Two connections tell of it, in either order.
  await until(() => errors.length === 1 && messages().length > 0);
  const [error] = errors;
  assert.deepStrictEqual(
    [error.message, error.code, error.errno, error.job],
    ['late', 'UNHANDLED_JOB_ERROR', 'UNHANDLED_JOB_ERROR', received],
  );
  assert.throws(() => {
    error.code = 'another';
  }, TypeError);
  assert.strictEqual(messages().length, 1);
});

fix('B-073 a value without properties thrown after settlement arrives as the cause of an error', async (_, scene) => {
  const { errors } = await observed(scene, async (job) => {
    await job.resolve();
    throw 'a text';
  });
  await scene.add('job-1');
  await until(() => errors.length === 1);
  assert.ok(errors[0] instanceof Error);
  assert.deepStrictEqual(
    [errors[0].code, errors[0].cause, errors[0].job.id],
    ['UNHANDLED_JOB_ERROR', 'a text', 'job-1'],
  );
});

const UNWILLING = {
  'is frozen': () => Object.freeze(new Error('late')),
  'has a job that only can be read': () => Object.defineProperty(new Error('late'), 'job', { get: () => 'mine' }),
  'is a proxy that refuses': () =>
    new Proxy(new Error('late'), {
      set: assert.fail,
      defineProperty: assert.fail,
    }),
};

for (const [kind, make] of Object.entries(UNWILLING)) {
  fix(`B-073 an error that ${kind} and is thrown after settlement arrives as the cause of one`, async (_, scene) => {
    const thrown = make();
    const { errors } = await observed(scene, async (job) => {
      await job.resolve();
      throw thrown;
    });
    await scene.add('job-1');
    await until(() => errors.length === 1);
    const [{ code, errno, cause, job }] = errors;
    assert.deepStrictEqual([code, errno, job.id], ['UNHANDLED_JOB_ERROR', 'UNHANDLED_JOB_ERROR', 'job-1']);
    assert.ok(cause === thrown);
  });
}

fix('B-064 the first settlement counts, and later ones return the same promise', async (_, scene) => {
  const promises = [];
  const { consumer, errors, messages } = await observed(scene, async (job) => {
    const { resolve, reject } = job;
    if (job.id === 'job-1') promises.push(resolve(), resolve(), reject(new Error('too late')));
    else promises.push(reject(new Error('first')), resolve());
  });
  const monitor = await scene.monitor();
  await scene.add('job-1');
  await until(() => messages().length === 1);
  await scene.add('job-2');
  await until(() => messages().length === 2);
  await Promise.all(promises);
  await consumer.pause();
  assert.strictEqual(new Set(promises.slice(0, 3)).size, 1);
  assert.deepStrictEqual(
    messages().map(({ job, err }) => [job, err?.message]),
    [
      ['job-1', undefined],
      ['job-2', 'first'],
    ],
  );
  assert.strictEqual((await monitor.named('XACK')).length, 1);
  assert.strictEqual(await scene.pending(), 1);
  assert.deepStrictEqual(errors, []);
});

keep('B-065 a released job frees its slot, and is acknowledged when it ends', async (_, scene) => {
  const gate = new Gate();
  const started = [];
  const { messages } = await observed(scene, async (job) => {
    started.push(job.id);
    if (job.id === 'job-1') {
      assert.strictEqual(job.release(), job);
      assert.strictEqual(job.release, undefined);
      await gate.opened;
    }
  });
  await scene.add('job-1');
  await scene.add('job-2');
  await until(() => messages().length === 1);
  assert.deepStrictEqual(started, ['job-1', 'job-2']);
  assert.strictEqual(await scene.pending(), 1);
  gate.open();
  await until(async () => (await scene.pending()) === 0);
});

fix('B-065 releasing twice is releasing once', async (_, scene) => {
  const gate = new Gate();
  const { consumer } = await observed(scene, async (job) => {
    const { release } = job;
    release();
    release();
    await gate.opened;
  });
  await scene.add('job-1');
  await until(async () => (await scene.pending()) === 1);
  await consumer.pause();
  gate.open();
  await until(async () => (await scene.pending()) === 0);
});

keep('B-066 drained is emitted whenever no job is in flight', async (_, scene) => {
  let drained = 0;
  const consumer = await scene.play(async () => {});
  consumer.on('drained', () => drained++);
  for (let jobs = 1; jobs <= 3; jobs++) {
    await scene.add(`job-${jobs}`);
    await until(() => drained === jobs);
  }
});

fix('B-067 B-045 a listener that throws is reported as LISTENER_ERROR and stops nothing', async (_, scene) => {
  const ran = [];
  const consumer = await scene.play(async (job) => ran.push(job.id));
  const errors = [];
  consumer.on('drained', () => {
    throw new Error('from a listener');
  });
  consumer.on('error', (error) => {
    errors.push(error);
    throw new Error('from the last resort');
  });
  for (let jobs = 1; jobs <= 3; jobs++) {
    await scene.add(`job-${jobs}`);
    await until(() => errors.length === jobs);
  }
  assert.deepStrictEqual(ran, ['job-1', 'job-2', 'job-3']);
  assert.deepStrictEqual([errors[0].code, errors[0].message], ['LISTENER_ERROR', 'from a listener']);
});

keep('B-068 B-069 a job beyond its deadline is reported and stays pending; its end is ignored', async (_, scene) => {
  const gate = new Gate();
  const started = [];
  const { errors, messages } = await observed(
    scene,
    async (job) => {
      started.push(job);
      if (job.id === 'job-1') await gate.opened;
    },
    { deadline: 40 },
  );
  await scene.add('job-1');
  await until(() => messages().length === 1);
  const [{ err }] = messages();
  assert.deepStrictEqual(
    { ...err, stack: null },
    {
      message: 'The job was running for too long (40ms)',
      name: 'Error',
      code: 'DEADLINE_TIMEOUT',
      errno: 'DEADLINE_TIMEOUT',
      stack: null,
    },
  );
  // The test can receive the message of Redis before the consumer's thread informs JavaScript.
  await until(() => started[0].resolve === undefined);
  gate.open();
  await scene.add('job-2');
  await until(() => messages().length === 2);
  assert.strictEqual(messages()[1].job, 'job-2');
  assert.strictEqual(await scene.pending(), 1);
  assert.deepStrictEqual(errors, []);
});

fix('B-069 an error thrown by a processor that blocked for too long is UNHANDLED_JOB_ERROR', async (_, scene) => {
  const { errors, messages } = await observed(
    scene,
    () => {
      const end = performance.now() + 500;
      while (performance.now() < end);
      throw new Error('late');
    },
    { deadline: 30 },
  );
  await scene.add('job-1');
  await until(() => errors.length === 1 && messages().length === 1);
  assert.deepStrictEqual([errors[0].code, errors[0].message], ['UNHANDLED_JOB_ERROR', 'late']);
  assert.strictEqual(errors[0].job.id, 'job-1');
  assert.deepStrictEqual(
    messages().map(({ err }) => err.code),
    ['DEADLINE_TIMEOUT'],
  );
});

keep('B-069 an error thrown after the deadline is UNHANDLED_JOB_ERROR', async (_, scene) => {
  const gate = new Gate();
  const { errors, messages } = await observed(
    scene,
    async () => {
      await gate.opened;
      throw new Error('late');
    },
    { deadline: 30 },
  );
  await scene.add('job-1');
  await until(() => messages().length === 1);
  gate.open();
  await until(() => errors.length === 1);
  assert.deepStrictEqual([errors[0].code, errors[0].job.id], ['UNHANDLED_JOB_ERROR', 'job-1']);
});

keep('B-068 0, NaN, null and Infinity mean no deadline', async (_, scene) => {
  const monitor = await scene.monitor();
  for (const deadline of [0, Number.NaN, null, Infinity]) {
    const [stream, gate] = [scene.name('stream'), new Gate()];
    await scene.play(() => gate.opened, { stream, deadline });
    await scene.add('job-1', { stream });
    await until(async () => (await scene.pending({ stream })) === 1);
    await stays(async () => (await monitor.named('PUBLISH')).length === 0, 20);
    gate.open();
    await until(async () => (await scene.pending({ stream })) === 0);
    await until(async () => (await monitor.named('PUBLISH')).length === 1);
    await monitor.clear();
  }
});

fix('B-068 a deadline beyond the limit of Node timers is kept', async (_, scene) => {
  const gate = new Gate();
  const { messages } = await observed(scene, () => gate.opened, { deadline: 2 ** 31 });
  await scene.add('job-1');
  await until(async () => (await scene.pending()) === 1);
  await stays(() => messages().length === 0, 80);
  gate.open();
  await until(() => messages().length === 1);
  assert.strictEqual(messages()[0].err, undefined);
});

keep('B-070 releasing a job does not end its deadline', async (_, scene) => {
  const gate = new Gate();
  const { messages } = await observed(
    scene,
    async (job) => {
      job.release();
      await gate.opened;
    },
    { deadline: 40 },
  );
  await scene.add('job-1');
  await until(() => messages().length === 1);
  assert.strictEqual(messages()[0].err.code, 'DEADLINE_TIMEOUT');
  gate.open();
});

fix('B-072 a job whose acknowledgement fails is not reported as failed', async (_, scene) => {
  const { errors, messages } = await observed(scene, async () => {
    await scene.redis.call('SET', keys.stream(scene.stream), 'something else');
  });
  await scene.add('job-1');
  await until(() => errors.some(({ code }) => code === 'REJECT_JOB_ERROR'));
  const error = errors.find(({ code }) => code === 'REJECT_JOB_ERROR');
  assert.match(error.message, /^WRONGTYPE/);
  assert.strictEqual(error.job.id, 'job-1');
  assert.deepStrictEqual(
    messages().filter(({ err }) => err),
    [],
  );
});

fix('B-051 a failed job always frees its slot', async (_, scene) => {
  const thrown = [null, undefined, Symbol('s'), Object.assign(new Error('big'), { big: 10n }), 0, '', false, 10n];
  const unreadable = new Proxy({}, { ownKeys: () => assert.fail('not to be read') });
  const { errors, messages } = await observed(scene, async (job) => {
    throw [...thrown, unreadable][Number(job.id)];
  });
  for (let index = 0; index <= thrown.length; index++) await scene.add(String(index));
  await until(() => messages().length === thrown.length + 1);
  for (const message of messages()) assert.ok('err' in message, JSON.stringify(message));
  assert.deepStrictEqual(
    messages()
      .slice(4, 7)
      .map(({ err }) => err),
    [0, '', false],
  );
  assert.strictEqual(await scene.pending(), thrown.length + 1);
  assert.deepStrictEqual(errors, []);
});

fix('B-083 an entry without a job runs under a new id; one without a producer has no completion', async (_, scene) => {
  const monitor = await scene.monitor();
  const ids = [];
  const { heard } = await observed(scene, async (job) => ids.push(job.id));
  await scene.redis.call('XADD', keys.stream(scene.stream), '*', 'foo', 'bar');
  await until(() => ids.length === 1);
  assert.match(ids[0], /^[A-Za-z0-9_-]{16}$/);
  await until(async () => (await monitor.named('XACK')).length === 1);
  await scene.redis.call('XADD', keys.stream(scene.stream), '*', 'prd', 'P', 'job', 'a', 'extra', '1', 'job', 'last');
  await until(() => heard.length === 1);
  assert.strictEqual(ids[1], 'last');
  assert.strictEqual((await monitor.named('PUBLISH')).length, 1);
});

fix('B-083 an entry that is not text is skipped, reported once, and takes no slot', async (_, scene) => {
  const ids = [];
  const { errors } = await observed(scene, async (job) => ids.push(job.id));
  for (let index = 0; index < 3; index++) {
    await scene.redis.call('XADD', keys.stream(scene.stream), '*', 'prd', 'P', 'job', Buffer.from([0xff, 0xfe]));
  }
  await scene.add('job-1');
  await until(() => ids.length === 1);
  assert.deepStrictEqual(ids, ['job-1']);
  assert.deepStrictEqual(
    errors.map(({ code }) => code),
    ['FOREIGN_ENTRY'],
  );
});

fix('B-085 names with quotes and backslashes are reported as they are', async (_, scene) => {
  const [stream, group, id] = ['s"t\\', 'g","err":{"fake":1},"z":"', 'j"ö\n'];
  const producer = scene.producer();
  await producer.listen();
  await scene.play(async () => {}, { stream, group });
  const job = await producer.send({ stream, job: producer.job(id), waitFor: [group] });
  const completions = await job.finished(5000);
  assert.deepStrictEqual(Object.keys(completions), [group]);
  assert.ok(completions[group] instanceof Date);
});

fix('B-085 a stream name can contain : * [ and any letters', async (_, scene) => {
  for (const stream of ['a:b:c', 'a*b', 's[x]', 'ação 日本語 😀']) {
    const producer = scene.producer();
    await producer.listen();
    await scene.play(async () => {}, { stream });
    const job = await producer.send({ stream, job: producer.job(), waitFor: [scene.group] });
    assert.ok((await job.finished(5000))[scene.group] instanceof Date, stream);
  }
});

fix('B-061 a job whose result cannot be awaited has failed, and the others of its batch run', async (_, scene) => {
  const seen = [];
  const results = {
    'job-1': {
      // biome-ignore lint/suspicious/noThenProperty: what a careless program returns
      get then() {
        throw new Error('thrown by a getter');
      },
    },
    'job-2': Object.create(Promise.prototype),
  };
  const processor = (job) => {
    seen.push(job.id);
    return results[job.id];
  };
  const consumer = scene.consumer({ concurrency: 4 });
  consumer.process({ stream: scene.stream, fromId: '0', processor });
  for (const job of ['job-1', 'job-2', 'job-3']) await scene.add(job);
  const heard = await scene.hear(keys.channel(scene.stream, 'nobody'));
  await consumer.play();
  await until(() => heard.length === 3);
  const failed = heard.map(({ message }) => JSON.parse(message)).filter(({ err }) => err);
  assert.deepStrictEqual(failed.map(({ job }) => job).sort(), ['job-1', 'job-2']);
  assert.deepStrictEqual([seen, await scene.pending()], [['job-1', 'job-2', 'job-3'], 2]);
});
