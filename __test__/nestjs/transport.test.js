'use strict';

const assert = require('node:assert');
const { after, afterEach, before, test } = require('node:test');
const { until } = require('../support/wait-until.js');
const { RedisServer } = require('../support/redis-server.js');
const { hfxbus, microservices, rxjs, startService, transport } = require('./nest.js');

const { RpcException } = microservices;
const { firstValueFrom, lastValueFrom, toArray } = rxjs;
const LIMIT = { timeout: 30_000 };

let redis;
const closing = [];

before(async () => {
  redis = await RedisServer.start();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await redis.call('FLUSHALL');
});
after(() => redis.kill());

async function service(handlers, options) {
  const started = await startService(handlers, { connection: redis.options, group: 'math', ...options });
  closing.push(() => started.app.close());
  return started;
}

function client(options) {
  const made = new transport.HfxbusClient({ connection: redis.options, group: 'math', ...options });
  closing.push(() => made.close());
  return made;
}

const request = (from, pattern, data) => firstValueFrom(from.send(pattern, data));
const failure = (promise) => promise.then(assert.fail, (error) => error);

test('a request gets the value that its handler returns, by a promise or an Observable', LIMIT, async () => {
  const contexts = [];
  await service({
    sum: { message: 'sum', handle: (data) => data.reduce((a, b) => a + b) },
    later: { message: { cmd: 'later' }, handle: async (data, context) => contexts.push(context) && { got: data } },
    stream: { message: 'stream', handle: (count) => rxjs.range(0, count) },
    nothing: { message: 'nothing', handle: () => rxjs.EMPTY },
  });
  const math = client();
  assert.strictEqual(await request(math, 'sum', [1, 2, 3]), 6);
  assert.deepStrictEqual(await request(math, { cmd: 'later' }, 'é'), { got: 'é' });
  assert.deepStrictEqual(await lastValueFrom(math.send('stream', 3).pipe(toArray())), [0, 1, 2]);
  assert.deepStrictEqual(await lastValueFrom(math.send('nothing', 1).pipe(toArray())), []);
  const [context] = contexts;
  assert.ok(context instanceof transport.HfxbusContext);
  assert.strictEqual(context.getPattern(), '{"cmd":"later"}');
  assert.strictEqual(typeof context.getJob().id, 'string');
});

test('a large reply arrives, and its key expires', LIMIT, async () => {
  await service({ large: { message: 'large', handle: (size) => 'x'.repeat(size) } });
  assert.strictEqual((await request(client(), 'large', 100_000)).length, 100_000);
  const [key] = await redis.call('KEYS', 'hfxbus:job:*');
  assert.ok((await redis.call('PTTL', key)) > 0);
});

test('errors of a handler reach the client as in the other transports', LIMIT, async () => {
  await service({
    text: { message: 'text', handle: () => Promise.reject(new RpcException('no stock')) },
    object: {
      message: 'object',
      handle: () => {
        throw new RpcException({ code: 42, reason: 'no stock' });
      },
    },
    unknown: { message: 'unknown', handle: () => Promise.reject(new Error('secret')) },
    late: {
      message: 'late',
      handle: () =>
        rxjs.concat(
          rxjs.of(1),
          rxjs.throwError(() => new RpcException('late')),
        ),
    },
    cycle: { message: 'cycle', handle: () => ({ ...globalThis, big: 1n }) },
  });
  const math = client();
  assert.deepStrictEqual(await failure(request(math, 'text', 1)), { status: 'error', message: 'no stock' });
  assert.deepStrictEqual(await failure(request(math, 'object', 1)), { code: 42, reason: 'no stock' });
  const hidden = { status: 'error', message: 'Internal server error' };
  assert.deepStrictEqual(await failure(request(math, 'unknown', 1)), hidden);
  assert.deepStrictEqual(await failure(request(math, 'cycle', 1)), hidden);
  const seen = [];
  const late = await failure(lastValueFrom(math.send('late', 1).pipe(rxjs.tap((value) => seen.push(value)))));
  assert.deepStrictEqual([seen, late], [[1], { status: 'error', message: 'late' }]);
  // The reply is the end of a request: nothing is delivered again.
  assert.strictEqual((await redis.call('XPENDING', 'hfxbus:str:text', 'hfxbus:csr:math'))[0], 0);
});

test('an unknown pattern is an error at once, and nothing is sent', LIMIT, async () => {
  await service({ sum: { message: 'sum', handle: () => 1 } });
  const expected = 'There is no matching message handler defined in the remote service.';
  assert.strictEqual(await failure(request(client(), 'diff', 1)), expected);
  assert.strictEqual(await failure(request(client({ group: 'other' }), 'sum', 1)), expected);
  assert.strictEqual(await redis.call('EXISTS', 'hfxbus:str:diff'), 0);
  assert.strictEqual(await redis.call('XLEN', 'hfxbus:str:sum'), 0);
});

test('a request ends by the timeout of the client, and by the deadline of the server', LIMIT, async () => {
  const signals = [];
  const never = (_, context) => {
    signals.push(context.getJob().signal);
    return new Promise(() => {});
  };
  await service({ never: { message: 'never', handle: never } }, { maxWait: 50 });
  assert.strictEqual((await failure(request(client({ timeout: 100 }), 'never', 1))).code, 'FINISH_TIMEOUT');
  const strict = { group: 'strict', process: { deadline: 100 }, maxWait: 50 };
  let isUnsubscribed = false;
  const endless = () => rxjs.NEVER.pipe(rxjs.finalize(() => (isUnsubscribed = true)));
  await service({ never: { message: 'never', handle: endless } }, strict);
  const late = await failure(request(client({ group: 'strict' }), 'never', 1));
  assert.deepStrictEqual([late.status, late.code, late.stack], ['error', 'DEADLINE_TIMEOUT', undefined]);
  await until(() => isUnsubscribed);
});

test('an unsubscribed request calls nothing any more, and its timeout ends', LIMIT, async () => {
  const releases = [];
  await service({ wait: { message: 'wait', handle: () => new Promise((resolve) => releases.push(resolve)) } });
  const math = client({ timeout: 200 });
  const heard = [];
  const note = (value) => heard.push(value);
  const subscription = math.send('wait', 1).subscribe({ next: note, error: note, complete: () => note('end') });
  await until(() => releases.length === 1);
  subscription.unsubscribe();
  assert.strictEqual((await failure(request(math, 'wait', 2))).code, 'FINISH_TIMEOUT');
  assert.strictEqual((await math.unwrap().stats()).timedOut, 1);
  for (const release of releases) release('value');
  await until(async () => (await math.unwrap().stats()).finished === 2);
  assert.deepStrictEqual(heard, []);
});

test('an event reaches every group, and each of several handlers', LIMIT, async () => {
  const heard = [];
  const listener = (name) => ({ event: 'order.created', handle: (data) => void heard.push(`${name} ${data.id}`) });
  await service({ one: listener('math one'), two: listener('math two') });
  await service({ one: listener('mail') }, { group: 'mail' });
  const emitter = client({ group: undefined });
  await firstValueFrom(emitter.emit('order.created', { id: 7 }), { defaultValue: undefined });
  await until(() => heard.length === 3);
  assert.deepStrictEqual(heard.sort(), ['mail 7', 'math one 7', 'math two 7']);
  assert.match((await failure(request(emitter, 'order.created', 1))).message, /group/);
});

test('on several nodes every group gets each event, and requests are replied to', LIMIT, async () => {
  const servers = [redis, await RedisServer.start()];
  closing.push(() => servers[1].kill());
  const nodes = () => {
    const made = hfxbus.ConnectionManager.nodes({ nodes: servers.map(({ options }) => options) });
    closing.push(() => made.stop({ force: true }));
    return made;
  };
  const heard = [];
  const handlers = (name) => ({
    on: { event: 'on', handle: (data) => void heard.push(`${name}${data}`) },
    ask: { message: 'ask', handle: (data) => `${name}${data}` },
  });
  await service(handlers('a'), { connection: nodes(), group: 'a' });
  await service(handlers('b'), { connection: nodes(), group: 'b' });
  const [a, b] = ['a', 'b'].map((group) => client({ connection: nodes(), group }));
  const numbers = Array.from({ length: 20 }, (_, number) => number);
  for (const number of numbers) await firstValueFrom(a.emit('on', number), { defaultValue: undefined });
  await until(() => heard.length === 40);
  assert.deepStrictEqual(heard.sort(), numbers.flatMap((number) => [`a${number}`, `b${number}`]).sort());
  assert.deepStrictEqual(
    await Promise.all(numbers.map((number) => request(b, 'ask', number))),
    numbers.map((number) => `b${number}`),
  );
  assert.match(await failure(request(a, 'unknown', 1)), /no matching message handler/);
});

test('an event whose handler fails is delivered again, and becomes a dead letter', LIMIT, async () => {
  let calls = 0;
  const handle = () => {
    calls++;
    throw new RpcException(calls === 1 ? 'busy' : { message: 'never again', retry: false });
  };
  const consumer = { claimInterval: 20, claimDeadline: 60, deadLetter: 'dead' };
  await service({ fails: { event: 'fails', handle } }, { consumer });
  await firstValueFrom(client().emit('fails', 1), { defaultValue: undefined });
  const connection = hfxbus.ConnectionManager.standalone(redis.options);
  closing.push(() => connection.stop({ force: true }));
  const letters = new hfxbus.DeadLetters(connection, 'dead');
  await until(async () => (await letters.list()).length === 1);
  const [{ reason, error, deliveries }] = await letters.list();
  assert.deepStrictEqual([reason, error.message, deliveries, calls], ['unrecoverable', 'never again', 2, 2]);
});

test('every request is answered although its connections are cut', LIMIT, async () => {
  let handled = 0;
  await service({ next: { message: 'next', handle: (data) => ++handled && data + 1 } });
  const math = client();
  const count = 300;
  const replies = Array.from({ length: count }, async (_, number) => {
    await until(() => handled >= number - 50);
    return request(math, 'next', number);
  });
  for (const cut of [50, 150, 250]) {
    await until(() => handled >= cut);
    await redis.call('CLIENT', 'KILL', 'TYPE', cut === 150 ? 'pubsub' : 'normal', 'SKIPME', 'yes');
  }
  assert.deepStrictEqual(
    await Promise.all(replies),
    Array.from({ length: count }, (_, number) => number + 1),
  );
});

test('app.close() waits for a handler that runs, reads nothing more, and closes its connection', LIMIT, async () => {
  const started = [];
  const handle = (data) => new Promise((resolve) => started.push({ data, release: () => resolve('done') }));
  const { app } = await service({ slow: { message: 'slow', handle } });
  const math = client();
  const reply = request(math, 'slow', 1);
  await until(() => started.length === 1);
  const closed = app.close();
  started[0].release();
  assert.strictEqual(await reply, 'done');
  await closed;
  const second = failure(request(math, 'slow', 2));
  await until(async () => (await redis.call('XLEN', 'hfxbus:str:slow')) === 2);
  await math.close();
  assert.strictEqual((await second).code, 'CONNECTION_CLOSED');
  assert.strictEqual((await redis.call('XPENDING', 'hfxbus:str:slow', 'hfxbus:csr:math'))[0], 0);
  assert.strictEqual(started.length, 1);
  await until(async () => (await redis.call('CLIENT', 'LIST')).trim().split('\n').length === 1);
});

test('app.close() hands back a job that does not end within maxWait, and another server takes it', LIMIT, async () => {
  const consumer = { claimInterval: 20, claimDeadline: 10_000 };
  const handlers = (handle) => ({ job: { message: 'job', handle } });
  let isStarted = false;
  const never = () => {
    isStarted = true;
    return new Promise(() => {});
  };
  const { app } = await service(handlers(never), { consumer, maxWait: 50 });
  const reply = request(client(), 'job', 1);
  await until(() => isStarted);
  await app.close();
  await service(
    handlers(() => 'second'),
    { consumer },
  );
  assert.strictEqual(await reply, 'second');
});

test('a server that cannot listen says so, and can be closed while it begins', LIMIT, async () => {
  const away = { port: 1, host: '127.0.0.1', maxRetriesPerRequest: 0 };
  const handlers = { one: { message: 'one', handle: () => 1 } };
  const error = await failure(startService(handlers, { connection: away, group: 'math' }));
  assert.strictEqual(error.code, 'MAX_RETRIES');
  const strategy = new transport.HfxbusServer({ connection: { ...away, maxRetriesPerRequest: null }, group: 'math' });
  strategy.addHandler('one', () => 1);
  const listening = new Promise((resolve) => strategy.listen(resolve));
  await strategy.close();
  assert.strictEqual((await listening).code, 'CONNECTION_CLOSED');
  assert.throws(() => strategy.unwrap(), /listen/);
});

test('a manager of the application is used and not stopped', LIMIT, async () => {
  const connection = hfxbus.ConnectionManager.standalone(redis.options);
  closing.push(() => connection.stop({ force: true }));
  const { app } = await service({ one: { message: 'one', handle: () => 1 } }, { connection });
  const math = client({ connection });
  assert.strictEqual(await request(math, 'one', 0), 1);
  await app.close();
  await math.close();
  const producer = new hfxbus.Producer(connection);
  const job = producer.job().set('request', { data: 1 });
  await producer.send({ stream: 'one', job });
  assert.strictEqual(await redis.call('XLEN', 'hfxbus:str:one'), 2);
});

test('a producer and a consumer without Nest exchange messages with it', LIMIT, async () => {
  await service({ double: { message: 'double', handle: (data) => data * 2 } });
  const connection = hfxbus.ConnectionManager.standalone(redis.options);
  closing.push(() => connection.stop({ force: true }));
  const producer = new hfxbus.Producer(connection);
  const job = producer.job().set('request', { id: 'mine', data: 21 });
  await producer.send({ stream: 'double', job, waitFor: ['math'], returns: ['response'] });
  await job.finished();
  const { response } = await job.get('response', false).pull();
  assert.deepStrictEqual(response, [{ id: 'mine', response: 42, isDisposed: true }]);

  const consumer = new hfxbus.Consumer(connection, { group: 'plain' });
  const processor = async (received) => {
    const { request: message } = await received.get('request', false).pull();
    received.set('response', { response: `plain ${message.data}` });
  };
  consumer.process({ stream: 'greet', processor });
  await consumer.play();
  assert.strictEqual(await request(client({ group: 'plain' }), 'greet', 'hello'), 'plain hello');
});

test('a consumer of 2.2.0 replies to a client that sends payload keys', LIMIT, async () => {
  const original = require('hfxbus-original');
  const connection = original.ConnectionManager.standalone({ host: '127.0.0.1', port: redis.port });
  const consumer = new original.Consumer(connection, { group: 'old', blockTimeout: 100 });
  consumer.process({
    stream: 'greet',
    processor: async (job) => {
      const { request: message } = await job.get('request', false).pull();
      await job.set('response', { response: `old ${message.data}` }).push();
    },
  });
  await consumer.play();
  const old = client({ group: 'old', send: { payload: 'keys' } });
  assert.strictEqual(await request(old, 'greet', 'hello'), 'old hello');
  await consumer.pause();
  await connection.stop();
});

test('custom serializers are used on both sides', LIMIT, async () => {
  const serializer = { serialize: (packet) => ({ wrapped: packet }) };
  const deserializer = { deserialize: ({ wrapped }) => wrapped };
  await service({ echo: { message: 'echo', handle: (data) => data } }, { serializer, deserializer });
  assert.strictEqual(await request(client({ serializer, deserializer }), 'echo', 'é'), 'é');
});

test('the health indicator reports a server that does not answer', LIMIT, async () => {
  const own = await RedisServer.start();
  const options = { ...own.options, maxRetriesPerRequest: null };
  const connection = hfxbus.ConnectionManager.standalone(options);
  closing.push(() => connection.stop({ force: true }));
  const health = new transport.HfxbusHealthIndicator(connection);
  assert.strictEqual((await health.isHealthy('redis')).redis.status, 'up');
  own.kill();
  assert.strictEqual((await health.isHealthy('redis', { timeout: 100 })).redis.status, 'down');
  const strict = new transport.HfxbusHealthIndicator(connection, { throws: true });
  const error = await failure(strict.isHealthy('redis', { timeout: 100 }));
  assert.strictEqual(error.isHealthCheckError, true);
  assert.strictEqual(error.causes.redis.status, 'down');
});

test('invalid options are refused before anything is opened', () => {
  const { HfxbusServer, HfxbusClient, HfxbusHealthIndicator } = transport;
  assert.throws(() => new HfxbusServer({}), /group must be a string/);
  assert.throws(() => new HfxbusServer({ group: 'g', maxWait: -1 }), /maxWait/);
  assert.throws(() => new HfxbusServer({ group: 'g', responseTtl: 0 }), /responseTtl/);
  assert.throws(() => new HfxbusServer({ group: 'g', connection: { port: 0 } }), /port/);
  assert.throws(() => new HfxbusClient({ timeout: 'x' }), /timeout/);
  assert.throws(() => new HfxbusHealthIndicator({}), /subject/);
});
