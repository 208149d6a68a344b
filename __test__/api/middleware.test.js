'use strict';

/* consumer.use() and producer.use(): functions around processors and sends. */

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { fix, ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { Gate } = require('../support/latch.js');
const { until } = require('../support/wait-until.js');

/** A consumer with middleware that plays. */
async function playWith(scene, middleware, processor, options) {
  const consumer = scene.consumer(options);
  for (const one of middleware) consumer.use(one);
  consumer.process({ stream: scene.stream, processor });
  await consumer.play();
  return consumer;
}

/** Sends a job. @returns its outcome for the group of the case */
async function outcome(scene, producer, job = producer.job(), options = {}) {
  const sent = await producer.send({ stream: scene.stream, job, waitFor: [scene.group], ...options });
  return (await sent.finished(8000))[scene.group];
}

ours('middleware runs in the order of use() around the processor, and knows the job', async (_, scene) => {
  const order = [];
  const around = (name) => async (job, next, context) => {
    order.push(`${name} in`, [job.id, context.stream, context.group, context.consumer === consumer]);
    const returned = await next();
    order.push(`${name} out ${returned}`);
    return returned;
  };
  const consumer = scene.consumer();
  assert.strictEqual(consumer.use(around('a')).use(around('b')), consumer);
  consumer.process({ stream: scene.stream, processor: async () => order.push('run') && 'result' });
  await consumer.play();
  const producer = scene.producer();
  assert.ok((await outcome(scene, producer, producer.job('j'))) instanceof Date);
  const known = ['j', scene.stream, scene.group, true];
  assert.deepStrictEqual(order, ['a in', known, 'b in', known, 'run', 'b out result', 'a out result']);
});

ours('an error of a processor flows out through the middleware, which can replace or handle it', async (_, scene) => {
  const seen = [];
  const translate = async (job, next) => {
    try {
      await next();
    } catch (error) {
      seen.push(error.message);
      if (job.id !== 'handled') throw new Error(`${error.message}, translated`);
    }
  };
  await playWith(scene, [translate], async (job) => {
    throw new Error(job.id);
  });
  const producer = scene.producer();
  assert.strictEqual((await outcome(scene, producer, producer.job('bad'))).message, 'bad, translated');
  assert.ok((await outcome(scene, producer, producer.job('handled'))) instanceof Date);
  assert.deepStrictEqual(seen, ['bad', 'handled']);
});

ours('a middleware that does not call next() ends the job without the processor', async (_, scene) => {
  let runs = 0;
  const gate = (job, next) => {
    if (job.id === 'refused') throw new Error('not now');
    return job.id === 'dropped' ? undefined : next();
  };
  await playWith(scene, [gate], async () => runs++);
  const producer = scene.producer();
  assert.ok((await outcome(scene, producer, producer.job('dropped'))) instanceof Date);
  assert.strictEqual((await outcome(scene, producer, producer.job('refused'))).message, 'not now');
  assert.strictEqual(runs, 0);
  assert.ok((await outcome(scene, producer, producer.job('run'))) instanceof Date);
  assert.strictEqual(runs, 1);
});

ours('a second call of next() is an error, and the processor runs once', async (_, scene) => {
  let runs = 0;
  const twice = async (_job, next) => {
    await next();
    await next();
  };
  await playWith(scene, [twice], async () => runs++);
  const producer = scene.producer();
  producer.use(async (job, next) => {
    await next();
    if (job.id === 'again') await next();
  });
  assert.strictEqual((await outcome(scene, producer)).code, 'NEXT_CALLED_TWICE');
  assert.strictEqual(runs, 1);
  const sent = producer.send({ stream: scene.stream, job: producer.job('again') });
  await assert.rejects(sent, { code: 'NEXT_CALLED_TWICE' });
  await until(() => runs === 2);
  assert.strictEqual(await scene.length(), 2);
});

ours('an error behind a next() that nobody waits for is an event, and the process continues', async (_, scene) => {
  const gate = new Gate();
  const floating = (_job, next) => void next();
  const consumer = await playWith(scene, [floating, (_job, next) => next()], async () => {
    await gate.opened;
    throw new Error('too late');
  });
  const errors = scene.errors(consumer);
  const producer = scene.producer();
  assert.ok((await outcome(scene, producer, producer.job('j'))) instanceof Date);
  gate.open();
  await until(() => errors.length > 0);
  assert.deepStrictEqual(
    errors.map(({ code, message, job }) => [code, message, job.id]),
    [['UNHANDLED_JOB_ERROR', 'too late', 'j']],
  );
});

ours('values that middleware sets after next() leave with the settlement', async (_, scene) => {
  const stamp = async (job, next) => {
    await next();
    job.set('stamp', job.id);
  };
  await playWith(scene, [stamp], async (job) => {
    job.set('answer', 42);
  });
  const producer = scene.producer();
  const job = producer.job('j');
  await outcome(scene, producer, job, { returns: ['stamp', 'answer'] });
  assert.deepStrictEqual(await job.get('stamp', false).get('answer', false).pull(), { stamp: 'j', answer: 42 });
});

ours('headers of a producer’s middleware arrive at that of a consumer, and at the channels', async (_, scene) => {
  const received = [];
  const sent = [];
  const onSend = (message) => sent.push({ ...message.headers });
  const keep = (_job, next, { headers }) => {
    received.push(headers);
    return next();
  };
  await playWith(scene, [keep], async () => {});
  const producer = scene.producer();
  producer.use(async (job, next, { headers, stream, waitFor, producer: own }) => {
    headers.trace = `${job.id} to ${stream}`;
    headers.number = 5;
    assert.deepStrictEqual([waitFor, own === producer], [[scene.group], true]);
    await next();
  });
  await outcome(scene, producer, producer.job('one'));
  subscribe('hfxbus:send', onSend);
  try {
    await outcome(scene, producer, producer.job('two'));
  } finally {
    unsubscribe('hfxbus:send', onSend);
  }
  const traces = ['one', 'two'].map((id) => ({ trace: `${id} to ${scene.stream}` }));
  assert.deepStrictEqual(received, traces);
  assert.deepStrictEqual(sent, [{ ...traces[1], number: 5 }]);
});

ours('the store of a middleware is that of the processor', async (_, scene) => {
  const storage = new AsyncLocalStorage();
  const seen = [];
  await playWith(scene, [(job, next) => storage.run(job.id, next)], async () => seen.push(storage.getStore()));
  const producer = scene.producer();
  await outcome(scene, producer, producer.job('j'));
  assert.deepStrictEqual(seen, ['j']);
});

ours('each job of a batch has middleware of its own, which ends with the batch', async (_, scene) => {
  const order = [];
  const note = async (job, next) => {
    order.push(`${job.id} in`);
    try {
      await next();
    } catch (error) {
      order.push(`${job.id} ${error.message}`);
      throw error;
    }
    order.push(`${job.id} out`);
  };
  const consumer = scene.consumer({ concurrency: 3 }).use(note);
  const batches = [];
  const processor = async (jobs) => {
    batches.push(jobs.map(({ id }) => id));
    await jobs[0].resolve();
    if (batches.length === 2) throw new Error('broken');
  };
  consumer.process({ stream: scene.stream, batch: { size: 3, wait: 20_000 }, processor });
  await consumer.play();
  const producer = scene.producer();
  for (const names of [
    ['a', 'b', 'c'],
    ['d', 'e', 'f'],
  ]) {
    const sends = names.map((id) => ({ stream: scene.stream, job: producer.job(id), waitFor: [scene.group] }));
    const jobs = await producer.sendAll(sends);
    await Promise.all(jobs.map((job) => job.finished(8000)));
  }
  assert.deepStrictEqual(batches, [
    ['a', 'b', 'c'],
    ['d', 'e', 'f'],
  ]);
  await until(() => order.length === 12);
  assert.deepStrictEqual(order.slice(0, 6), ['a in', 'b in', 'c in', 'a out', 'b out', 'c out']);
  assert.deepStrictEqual(order.slice(6).sort(), ['d in', 'd out', 'e broken', 'e in', 'f broken', 'f in']);
});

ours('use() takes functions, and counts for jobs that start later', async (_, scene) => {
  const seen = [];
  const consumer = await playWith(scene, [], async () => {});
  const producer = scene.producer();
  for (const target of [consumer, producer]) {
    for (const wrong of [undefined, null, {}, 'log']) assert.throws(() => target.use(wrong), TypeError);
  }
  await outcome(scene, producer, producer.job('before'));
  consumer.use((job, next) => seen.push(job.id) && next());
  await outcome(scene, producer, producer.job('after'));
  assert.deepStrictEqual(seen, ['after']);
});

ours('a job at its deadline ends whatever its middleware does, and its processor does not start', async (_, scene) => {
  const gate = new Gate();
  let runs = 0;
  const codes = [];
  const consumer = scene.consumer().use(async (_job, next) => {
    await gate.opened;
    await next().catch(({ code }) => codes.push(code));
  });
  consumer.process({ stream: scene.stream, processor: async () => runs++, deadline: 30 });
  await consumer.play();
  const producer = scene.producer();
  assert.strictEqual((await outcome(scene, producer)).code, 'DEADLINE_TIMEOUT');
  gate.open();
  await until(() => codes.length > 0);
  assert.deepStrictEqual([codes, runs], [['NEXT_CALLED_LATE'], 0]);
});

ours('a next() after the end of the middleware neither runs a processor nor sends a job', async (_, scene) => {
  let runs = 0;
  const late = [];
  const afterwards = (_job, next) => {
    setImmediate(() => next().catch(({ code }) => late.push(code)));
  };
  const consumer = await playWith(scene, [afterwards], async () => runs++);
  const errors = scene.errors(consumer);
  const plain = scene.producer();
  assert.ok((await outcome(scene, plain)) instanceof Date);
  await until(() => errors.length > 0);
  const producer = scene.producer().use(afterwards);
  const job = producer.job().set('k', 1);
  await assert.rejects(producer.send({ stream: scene.stream, job }), { code: 'SEND_SKIPPED' });
  const together = producer.sendAll([{ stream: scene.stream, job }]);
  await assert.rejects(together, ({ errors: [{ code }] }) => code === 'SEND_SKIPPED');
  await until(() => late.length === 3);
  assert.deepStrictEqual(new Set([...late, ...errors.map(({ code }) => code)]), new Set(['NEXT_CALLED_LATE']));
  assert.deepStrictEqual([runs, await scene.length()], [0, 1]);
});

ours('a send through middleware rejects if the middleware throws or does not call next()', async (_, scene) => {
  const producer = scene.producer();
  producer.use(async (job, next) => {
    if (job.id === 'refused') throw new RangeError('no');
    if (job.id !== 'dropped') await next();
  });
  const send = (id) => producer.send({ stream: scene.stream, job: producer.job(id) });
  await assert.rejects(send('refused'), RangeError);
  await assert.rejects(send('dropped'), { code: 'SEND_SKIPPED' });
  await assert.rejects(producer.send({ stream: scene.stream }), TypeError);
  assert.strictEqual((await send('sent')).id, 'sent');
  assert.strictEqual(await scene.length(), 1);
});

ours('a middleware cannot turn a failed send into a success', async (_, scene) => {
  await scene.redis.call('SET', keys.stream(scene.stream), 'no stream');
  const producer = scene.producer();
  producer.use((_job, next) => next().catch(() => {}));
  const job = producer.job().set('k', 1);
  await assert.rejects(producer.send({ stream: scene.stream, job }), { code: 'WRONGTYPE' });
  await scene.redis.call('DEL', keys.stream(scene.stream));
  await producer.send({ stream: scene.stream, job });
  assert.strictEqual(await scene.length(), 1);
});

ours('a value that middleware sets before next() leaves with the job', async (_, scene) => {
  const seen = [];
  await playWith(scene, [], async (job) => seen.push(await job.get('tenant', false).pull()));
  const producer = scene.producer();
  producer.use(async (job, next) => {
    await Promise.resolve();
    job.set('tenant', 'acme');
    await next();
  });
  await outcome(scene, producer, producer.job(), { payload: 'entry' });
  await outcome(scene, producer, producer.job());
  assert.deepStrictEqual(seen, [{ tenant: 'acme' }, { tenant: 'acme' }]);
});

for (const atomic of [false, true]) {
  ours(`sendAll() sends in order and in one write through middleware, atomic ${atomic}`, async (_, scene) => {
    const gates = new Map(['a', 'b', 'c'].map((id) => [id, new Gate()]));
    const producer = scene.producer();
    producer.use(async (job, next, { headers }) => {
      await gates.get(job.id).opened;
      headers.of = job.id;
      job.set('v', job.id);
      await next();
    });
    const sends = [...gates.keys()].map((id) => ({ stream: scene.stream, job: producer.job(id) }));
    const sending = producer.sendAll(sends, { atomic });
    for (const id of ['c', 'a']) gates.get(id).open();
    assert.strictEqual(await scene.length(), 0);
    gates.get('b').open();
    const jobs = await sending;
    assert.deepStrictEqual(
      jobs.map(({ id }) => id),
      ['a', 'b', 'c'],
    );
    const entries = await scene.redis.call('XRANGE', keys.stream(scene.stream), '-', '+');
    const sent = entries.map(([, fields]) => [fields[fields.indexOf('job') + 1], fields[fields.indexOf('hdr') + 1]]);
    assert.deepStrictEqual(
      sent,
      ['a', 'b', 'c'].map((id) => [id, JSON.stringify({ of: id })]),
    );
  });

  ours(`a middleware refuses one job of sendAll(), atomic ${atomic}`, async (_, scene) => {
    const producer = scene.producer();
    producer.use((job, next) => {
      if (job.id === 'b') throw new RangeError('no');
      return next();
    });
    const sends = ['a', 'b', 'c'].map((id) => ({ stream: scene.stream, job: producer.job(id).set('k', id) }));
    const error = await producer.sendAll(sends, { atomic }).catch((thrown) => thrown);
    assert.strictEqual(error.code, 'SEND_ALL_FAILED');
    const outcomes = error.results.map(({ status, reason }) => reason?.code ?? reason?.message ?? status);
    const other = atomic ? 'SEND_ABORTED' : 'fulfilled';
    assert.deepStrictEqual(outcomes, [other, 'no', other]);
    assert.strictEqual(await scene.length(), atomic ? 0 : 2);
  });
}

ours('sendAll() divides jobs by the sizes of the values that middleware sets', async (_, scene) => {
  const limit = 200_000;
  const connection = scene.connect({ maxQueuedBytes: limit });
  const producer = scene.producer(connection);
  producer.use((job, next) => {
    job.set('large', Buffer.alloc(limit / 5));
    return next();
  });
  const sends = Array.from({ length: 20 }, () => ({ stream: scene.stream, job: producer.job() }));
  await producer.sendAll(sends);
  assert.strictEqual(await scene.length(), 20);
});

for (const retry of [undefined, false]) {
  const end = retry === false ? 'an error without a retry' : 'the last delivery';
  ours(`a replayed dead letter has the headers of the send, after ${end}`, async (_, scene) => {
    const received = [];
    const keep = (_job, next, { headers }) => {
      received.push(headers);
      return next();
    };
    const failOnce = () => {
      if (received.length === 1) throw Object.assign(new Error('no'), { retry });
    };
    const deadLetter = scene.name('letters');
    const claims = { retryLimit: 1, claimInterval: 20, claimDeadline: 100 };
    const consumer = await playWith(scene, [keep], failOnce, { deadLetter, ...claims });
    const producer = scene.producer();
    producer.use((_job, next, { headers }) => {
      headers.trace = 'one';
      return next();
    });
    await producer.send({ stream: scene.stream, job: producer.job() });
    const letters = new scene.hfxbus.DeadLetters(consumer.connection, deadLetter);
    await until(async () => (await letters.list()).length === 1);
    await letters.replay((await letters.list())[0]);
    await until(() => received.length === 2);
    assert.deepStrictEqual(received, [{ trace: 'one' }, { trace: 'one' }]);
  });
}

ours('middleware, headers and values are on several nodes as on one', async (_, scene) => {
  const connection = scene.partition(await scene.nodes());
  const consumer = scene.consumer({ route: scene.hfxbus.DISTRIBUTED_ROUTING, concurrency: 9 }, connection);
  const seen = [];
  consumer.use(async (job, next, { headers }) => {
    await next();
    seen.push(headers.of);
    job.set('answer', job.id);
  });
  consumer.process({ stream: scene.stream, processor: async () => {} });
  await consumer.play();
  const producer = scene.producer(connection);
  producer.use((job, next, { headers }) => {
    headers.of = job.id;
    return next();
  });
  const route = scene.hfxbus.DISTRIBUTED_ROUTING;
  const sends = Array.from({ length: 9 }, (_, at) => {
    return { stream: scene.stream, route, job: producer.job(`job-${at}`).set('k', 1), waitFor: [scene.group] };
  });
  const jobs = await producer.sendAll(sends);
  await Promise.all(jobs.map((job) => job.finished(8000)));
  const answers = await Promise.all(jobs.map((job) => job.get('answer', false).get('k', false).pull()));
  const ids = jobs.map(({ id }) => id);
  assert.deepStrictEqual(
    answers,
    ids.map((id) => ({ answer: id, k: 1 })),
  );
  assert.deepStrictEqual(seen.sort(), ids);
});

fix('consumers of 2.2.0 run jobs with headers of middleware', async (_, scene) => {
  const consumer = await scene.playOriginal(async (job) => {
    const { name } = await job.get('name', false).pull();
    await job.set('greeting', `Hello ${name}`).push();
  });
  const producer = scene.producer();
  producer.use((_job, next, { headers }) => {
    headers.trace = 'x';
    return next();
  });
  const job = producer.job().set('name', 'world');
  assert.ok((await outcome(scene, producer, job)) instanceof Date);
  assert.deepStrictEqual(await job.get('greeting', false).pull(), { greeting: 'Hello world' });
  await consumer.pause(2000);
});
