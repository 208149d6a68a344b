'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { hostile } = require('../support/malicious-inputs.js');

/** Values that are not numbers and cannot be parsed as one. */
const NO_NUMBERS = ['many', '', '0x', {}, [1, 2], Symbol('s'), () => 1, true, 10n, hostile.proxy(), hostile.bare()];
const NO_TEXTS = [{}, ['a'], Symbol('s'), () => 'a', true, 10n, hostile.proxy(), hostile.bare()];

/** Options by name: what is a TypeError, and what a RangeError. */
const CONNECTION = {
  host: { types: NO_TEXTS },
  port: { types: NO_NUMBERS, ranges: [0, -1, 65536, 1.5, Infinity, -Infinity, '0', '65536', 1e300] },
  path: { types: NO_TEXTS },
  family: { types: NO_NUMBERS, ranges: [-1, 5, 4.5, Infinity] },
  username: { types: NO_TEXTS },
  password: { types: NO_TEXTS },
  db: { types: NO_NUMBERS, ranges: [-1, Infinity, 2 ** 32, 1e300] },
  connectionName: { types: NO_TEXTS },
  keyPrefix: { types: NO_TEXTS },
  connectTimeout: { types: NO_NUMBERS, ranges: [-1, -Infinity] },
  commandTimeout: { types: NO_NUMBERS, ranges: [-1, -Infinity] },
  keepAlive: { types: NO_NUMBERS, ranges: [-1, -Infinity] },
  maxLoadingRetryTime: { types: NO_NUMBERS, ranges: [-1] },
  maxRetriesPerRequest: { types: NO_NUMBERS, ranges: [-1] },
  reconnectOnError: { types: [1, 'a', {}, true] },
  tls: { types: ['yes', 1, Symbol('s'), () => {}] },
  url: { types: NO_TEXTS },
};

const CONSUMER = {
  group: { types: [undefined, null, ...NO_TEXTS] },
  id: { types: NO_TEXTS },
  concurrency: { types: NO_NUMBERS, ranges: [0, -1, 0.5, -Infinity, '0'] },
  blockTimeout: { types: NO_NUMBERS, ranges: [-1, -Infinity] },
  claimInterval: { types: NO_NUMBERS, ranges: [-1] },
  claimDeadline: { types: NO_NUMBERS, ranges: [-1] },
  retryLimit: { types: NO_NUMBERS, ranges: [0, -1] },
  claimPageSize: { types: NO_NUMBERS, ranges: [0, -1, Infinity] },
  readAhead: { types: NO_NUMBERS, ranges: [-1, -0.5, Infinity, -Infinity, '-1'] },
  removeIdleConsumers: { types: NO_NUMBERS, ranges: [-1] },
};

const PROCESS = {
  stream: { types: [undefined, null, ...NO_TEXTS] },
  processor: { types: [undefined, null, {}, 'a', 1, Symbol('s')] },
  readFrom: { types: NO_TEXTS, ranges: ['<', '$', 'now', '1-', '-1', ''] },
  fromId: { types: NO_TEXTS },
  deadline: { types: ['many', {}, [1, 2], Symbol('s'), () => 1, true, 10n], ranges: [-1, -Infinity] },
};

const SEND = {
  stream: { types: [undefined, null, ...NO_TEXTS] },
  job: { types: [undefined, null, {}, 'a', 1, Symbol('s'), { id: Symbol('s') }, { id: null }] },
  capped: { types: ['many', {}, [1, 2], Symbol('s'), () => 1], ranges: [-1, 1.5, Infinity, 2 ** 60] },
  waitFor: { types: ['g', true, 1, {}, [1], [null], [Symbol('s')], new Set(['g']), Symbol('s')] },
};

/** Calls for each value of each option, and expects an error of the right kind that begins with the option's name. */
async function eachIsRefused(options, call) {
  for (const [option, { types = [], ranges = [] }] of Object.entries(options)) {
    for (const [name, values] of Object.entries({ TypeError: types, RangeError: ranges })) {
      for (const value of values) {
        const label = `${option}: ${hostile.label(value)}`;
        const message = new RegExp(`^${option}\\b`);
        await assert.rejects(async () => call(option, value), { name, message }, label);
      }
    }
  }
}

ours('a connection rejects invalid options by name, and opens no connection', async (_, scene) => {
  const monitor = await scene.monitor();
  await eachIsRefused(CONNECTION, (option, value) => {
    scene.hfxbus.ConnectionManager.standalone({ ...scene.redis.options, [option]: value });
  });
  for (const [option, value] of [
    ['ca', 5],
    ['cert', {}],
    ['key', Symbol('s')],
    ['servername', {}],
  ]) {
    const tls = { [option]: value };
    assert.throws(() => scene.connect({ tls }), { name: 'TypeError', message: new RegExp(`^tls.${option} `) });
  }
  for (const options of [5, true, Symbol('s'), () => {}, 10n]) {
    const refused = { name: 'TypeError', message: /^standalone / };
    assert.throws(() => scene.hfxbus.ConnectionManager.standalone(options), refused);
  }
  assert.deepStrictEqual(await monitor.commands(), []);
});

ours('a consumer rejects invalid options by name, and opens no connection', async (_, scene) => {
  const monitor = await scene.monitor();
  await eachIsRefused(CONSUMER, (option, value) => scene.consumer({ [option]: value }));
  for (const route of [5, true, {}, Symbol('s'), Symbol('DISTRIBUTED_ROUTING'), hostile.bare()]) {
    assert.throws(() => scene.consumer({ route }), /^Error: Invalid route: /);
  }
  const { Consumer, Producer } = scene.hfxbus;
  for (const connection of [undefined, null, {}, 5, 'redis://', scene.producer(), hostile.bare()]) {
    const refused = { name: 'TypeError', message: /^connection / };
    assert.throws(() => new Consumer(connection, { group: 'g' }), refused);
    assert.throws(() => new Producer(connection), refused);
  }
  for (const options of [5, 'g', true, Symbol('s')]) {
    assert.throws(() => new Consumer(scene.connection, options), { name: 'TypeError', message: /^options / });
  }
  assert.deepStrictEqual(await monitor.commands(), []);
});

ours('process() rejects invalid options by name, and the consumer does not change', async (_, scene) => {
  const monitor = await scene.monitor();
  const consumer = scene.consumer();
  const given = { stream: scene.stream, processor: async () => {} };
  await eachIsRefused(PROCESS, (option, value) => consumer.process({ ...given, [option]: value }));
  assert.throws(() => consumer.process('a'), { name: 'TypeError', message: /^options / });
  assert.throws(() => consumer.process(), TypeError);
  assert.deepStrictEqual(await monitor.commands(), []);
  // None of the refused streams was added.
  await assert.rejects(consumer.play(), /process\(\)/);
});

ours('send() rejects invalid options by name, and sends nothing', async (_, scene) => {
  const producer = scene.producer();
  const monitor = await scene.monitor();
  const job = producer.job();
  await eachIsRefused(SEND, (option, value) => producer.send({ stream: scene.stream, job, [option]: value }));
  for (const options of [5, 'a', true, Symbol('s')]) {
    await assert.rejects(producer.send(options), { name: 'TypeError', message: /^options / });
  }
  await assert.rejects(producer.send(), { name: 'TypeError', message: /^job / });
  assert.strictEqual(job.finished, undefined);
  assert.deepStrictEqual(await monitor.commands(), []);
});

ours('listen(), job(), getClient() and stop() reject invalid arguments by name', async (_, scene) => {
  const producer = scene.producer();
  const monitor = await scene.monitor();
  for (const value of [undefined, null, ...NO_TEXTS]) {
    const refused = { name: 'TypeError', message: /^stream / };
    await assert.rejects(producer.listen('a', value), refused, hostile.label(value));
    assert.throws(() => scene.connection.getClient(value), { name: 'TypeError', message: /^key / });
  }
  for (const id of [Symbol('s'), hostile.bare()]) {
    assert.throws(() => producer.job(id), { name: 'TypeError', message: /^id / });
  }
  for (const maxWait of NO_NUMBERS) {
    await assert.rejects(scene.connection.stop({ maxWait }), { name: 'TypeError', message: /^maxWait / });
  }
  await assert.rejects(scene.connection.stop({ maxWait: -1 }), { name: 'RangeError', message: /^maxWait / });
  for (const options of [5, 'now', true, Symbol('s')]) {
    await assert.rejects(scene.connection.stop(options), { name: 'TypeError', message: /^options / });
  }
  assert.deepStrictEqual(await monitor.commands(), []);
});

ours('pause() and finished() reject a timeout that is no number', async (_, scene) => {
  const consumer = await scene.play(async () => {});
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  for (const timeout of ['soon', {}, [1, 2], Symbol('s'), () => 1, hostile.bare()]) {
    const refused = { name: 'TypeError', message: /^timeout / };
    await assert.rejects(async () => consumer.pause(timeout), refused, hostile.label(timeout));
    await assert.rejects(async () => job.finished(timeout), refused, hostile.label(timeout));
  }
  await job.finished();
});

ours('a job rejects invalid keys and timeouts, and stacks nothing', async (_, scene) => {
  const job = scene.producer().job();
  const monitor = await scene.monitor();
  for (const key of [Symbol('s'), hostile.bare()]) {
    for (const call of [() => job.set(key, 1), () => job.get(key), () => job.del(key), () => job.prefix(key)]) {
      assert.throws(call, { name: 'TypeError', message: /^key / });
    }
  }
  for (const timeout of [-1, 1.5, Infinity, true, 'soon', {}, [1, 2], Symbol('s'), () => 1, 2 ** 60]) {
    assert.throws(() => job.set('mine', 1, timeout), { name: 'RangeError', message: /'mine'/ });
  }
  for (const value of [10n, hostile.cycle(), hostile.throwing(), { toJSON: () => assert.fail('mine') }]) {
    assert.throws(() => job.set('mine', value), Error);
  }
  await job.push();
  assert.deepStrictEqual(await job.pull(), {});
  assert.deepStrictEqual(await monitor.commands(), []);
});

ours('a job rejects a client of another library, at the latest when the job needs it', async (_, scene) => {
  const refused = { name: 'TypeError', message: /^client / };
  for (const client of [undefined, null, {}, scene.connection, 5]) {
    assert.throws(() => new scene.hfxbus.Job(client, 'job-1'), refused, hostile.label(client));
  }
  const job = new scene.hfxbus.Job({ keyPrefix: 'mine', number: 1 }, 'job-1');
  await assert.rejects(job.set('a', 1).push(), refused);
  await assert.rejects(job.get('a').pull(), refused);
});

ours('a job whose id was replaced by another value is rejected; other jobs of the tick are not', async (_, scene) => {
  const [good, bad] = [scene.producer().job('good'), scene.producer().job('bad')];
  bad.id = Symbol('s');
  const refused = { name: 'TypeError', message: /^job.id / };
  const written = good.set('a', 1).push();
  await assert.rejects(bad.set('a', 1).push(), refused);
  await assert.rejects(bad.get('a').pull(), refused);
  await assert.rejects(scene.producer().send({ stream: scene.stream, job: bad }), refused);
  await written;
  assert.deepStrictEqual(await good.get('a', false).pull(), { a: 1 });
});
