'use strict';

/* What `finished()` says of a job that is not finished in time. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { stays, until } = require('../support/until.js');

const begin = (timeout) => `Timeouted while waiting to be finished: ${timeout}ms`;

/** Sends a job and waits too short for it. @returns {Promise<Error>} what that rejects with */
async function timesOut(
  scene,
  { waitFor = [scene.group], prepare, connection, stream = scene.stream, ...options } = {},
) {
  const producer = scene.producer(connection);
  const job = producer.job();
  if (prepare) prepare(job);
  await producer.send({ stream, job, waitFor, ...options });
  return unfinished(job);
}

async function unfinished(job, timeout = 30) {
  const error = await job.finished(timeout).then(
    () => assert.fail('it was finished'),
    (reason) => reason,
  );
  assert.ok(error.message.startsWith(begin(timeout)), error.message);
  assert.deepStrictEqual([error.code, error.errno, error.name], ['FINISH_TIMEOUT', 'FINISH_TIMEOUT', 'Error']);
  return error;
}

/** What the error says of its groups. */
function saidOf({ diagnosis }) {
  return diagnosis.groups.map(({ group, state }) => [group, state]);
}

ours('finished() says that a group does not exist, and which ones do', async (_, scene) => {
  const { stream } = scene;
  await scene.play(async () => {}, { group: 'archive' });
  const error = await timesOut(scene, { waitFor: ['archiv'] });
  const node = `127.0.0.1:${scene.redis.port}`;
  const reason = `group archiv does not exist on ${stream} at ${node} (there is archive): no consumer of it has called play(), or it has another keyPrefix or db`;
  assert.strictEqual(error.message, `${begin(30)}; ${reason}`);
  const { entry, groups, ...place } = error.diagnosis;
  assert.match(entry, /^\d+-\d+$/);
  assert.deepStrictEqual(place, { stream, node, unpushed: [] });
  const unknown = { consumers: null, pending: null, lastRead: null, lag: null, owner: null, ownerSeen: null };
  assert.deepStrictEqual(groups, [
    { group: 'archiv', state: 'absent', reason, ...unknown, idle: null, deliveries: null, error: null },
  ]);
});

ours('finished() says that a group was made after the job was sent', async (_, scene) => {
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  await scene.play(async () => {});
  const error = await unfinished(job);
  assert.deepStrictEqual(saidOf(error), [[scene.group, 'passed']]);
  assert.match(
    error.message,
    /made after the job was sent; play\(\) comes before send\(\), or process\(\) takes fromId: '0'$/,
  );
});

ours('finished() says that no consumer has read for a while', async (_, scene) => {
  const { stream, group } = scene;
  await scene.redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(group), '$', 'MKSTREAM');
  const none = await timesOut(scene);
  assert.match(none.message, new RegExp(`group ${group} has not been given the job: it has no consumer on ${stream}`));
  await scene.redis.call(
    'XREADGROUP',
    'GROUP',
    keys.group(group),
    'gone',
    'COUNT',
    1,
    'STREAMS',
    keys.stream(stream),
    '>',
  );
  await scene.redis.call('XGROUP', 'SETID', keys.stream(stream), keys.group(group), '$');
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job(), waitFor: [group] });
  const error = await until(async () => {
    const found = await unfinished(job);
    return found.diagnosis.groups[0].lastRead > 2000 && found;
  });
  assert.match(
    error.message,
    /has not been given the job: no consumer has read for \d+ s, so it is busy, paused or gone$/,
  );
  const [{ state, consumers, pending }] = error.diagnosis.groups;
  assert.deepStrictEqual([state, consumers, pending], ['waiting', 1, 1]);
});

ours('finished() says who has the job, how often it was delivered, and what waits behind it', async (_, scene) => {
  const consumer = await scene.play(() => new Promise(() => {}), { claimInterval: 20, claimDeadline: 60 });
  const producer = scene.producer();
  const send = () => producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  const job = await send();
  await until(async () => (await scene.pending()) === 1);
  const [running] = (await unfinished(job)).diagnosis.groups;
  const { state, owner, deliveries, consumers, pending } = running;
  assert.deepStrictEqual([state, owner, deliveries, consumers, pending], ['pending', consumer.id, 1, 1, 1]);
  assert.ok(running.idle >= 0 && running.ownerSeen >= 0);
  assert.match(
    running.reason,
    new RegExp(`^group ${scene.group} has not acknowledged the job, delivered once: consumer ${consumer.id} runs it,`),
  );
  const second = await unfinished(await send());
  assert.deepStrictEqual(saidOf(second), [[scene.group, 'waiting']]);
  assert.match(
    second.message,
    /has not been given the job: its consumers \(1\) are busy or behind, entries to be read: (1|some)$/,
  );
});

ours('finished() says of a consumer that is gone since when, and how often the job was delivered', async (_, scene) => {
  const { stream, group } = scene;
  await scene.redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(group), '$', 'MKSTREAM');
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job(), waitFor: [group] });
  await scene.redis.call(
    'XREADGROUP',
    'GROUP',
    keys.group(group),
    'gone',
    'COUNT',
    1,
    'STREAMS',
    keys.stream(stream),
    '>',
  );
  const [[id]] = await scene.redis.call('XPENDING', keys.stream(stream), keys.group(group), '-', '+', 1);
  const claim = ['XCLAIM', keys.stream(stream), keys.group(group), 'gone', 0, id, 'IDLE', 70000, 'RETRYCOUNT', 3];
  await scene.redis.call(...claim);
  const [{ state, owner, deliveries, idle, reason }] = (await unfinished(job)).diagnosis.groups;
  assert.deepStrictEqual([state, owner, deliveries, idle >= 70000], ['pending', 'gone', 3, true]);
  assert.match(
    reason,
    /delivered 3 times: consumer gone runs it, or its run failed and it waits to be claimed \(touched 70 s ago\)$/,
  );
});

ours('finished() says what each of several groups has made of the job', async (_, scene) => {
  const [done, fails] = [scene.name('group'), scene.name('group')];
  await scene.play(async () => {}, { group: done });
  await scene.play(
    async () => {
      throw new Error('boom');
    },
    { group: fails },
  );
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [done, fails, 'none'] });
  const error = await until(async () => {
    const found = await unfinished(job);
    return found.diagnosis.groups.filter(({ state }) => state === 'absent').length === 1 && found;
  });
  assert.deepStrictEqual(saidOf(error), [
    [done, 'completed'],
    [fails, 'failed'],
    ['none', 'absent'],
  ]);
  const [, failed] = error.diagnosis.groups;
  assert.deepStrictEqual([failed.error.message, failed.deliveries], ['boom', 1]);
  assert.ok(error.message.includes(`; group ${fails} failed, delivered once, last error: boom; group none does not`));
  assert.ok(!error.message.includes(`group ${done}`), 'what is done needs no mention');
});

ours('finished() says that the entry, or the stream, is gone', async (_, scene) => {
  const { stream, group } = scene;
  await scene.redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(group), '$', 'MKSTREAM');
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job(), waitFor: [group] });
  await scene.redis.call('XTRIM', keys.stream(stream), 'MAXLEN', 0);
  const trimmed = await unfinished(job);
  assert.deepStrictEqual(saidOf(trimmed), [[group, 'gone']]);
  assert.ok(trimmed.message.includes(`; the entry is gone from ${stream}, deleted or trimmed: group ${group} cannot`));
  await scene.redis.call('DEL', keys.stream(stream));
  const deleted = await unfinished(job);
  assert.ok(
    deleted.message.includes(`; stream ${stream} is gone from 127.0.0.1:${scene.redis.port}: group ${group} cannot`),
  );
});

ours('finished() names the payload keys that were set and never pushed', async (_, scene) => {
  const error = await timesOut(scene, { prepare: (job) => job.set('inbound', 1).set('outbound', 2).set('inbound', 3) });
  assert.deepStrictEqual(error.diagnosis.unpushed, ['inbound', 'outbound']);
  assert.match(error.message, /; set and not pushed: inbound, outbound; await job\.push\(\) before send\(\)$/);
  const pushed = await timesOut(scene, { prepare: (job) => job.set('inbound', 1).push() });
  assert.deepStrictEqual(pushed.diagnosis.unpushed, []);
});

ours('with several nodes finished() says on which one it looked, and that the route may differ', async (_, scene) => {
  const servers = await scene.nodes();
  const connection = scene.partition(servers);
  const stream = scene.nameOn(1, 'stream');
  const error = await timesOut(scene, { connection, stream });
  const node = `127.0.0.1:${servers[1].port}`;
  assert.strictEqual(error.diagnosis.node, node);
  assert.ok(
    error.message.includes(`does not exist on ${stream} at ${node}`) &&
      error.message.includes('or another route, which producer and consumer'),
    error.message,
  );
});

ours('many groups, and names of all kinds, make one line that can be read', async (_, scene) => {
  const waitFor = Array.from({ length: 8 }, (_, at) => `g\n${at}`);
  const { message, diagnosis } = await timesOut(scene, { waitFor });
  assert.strictEqual(diagnosis.groups.length, 8);
  assert.ok(!message.includes('\n') && message.endsWith('; and 3 groups more'), message);
  assert.ok(diagnosis.groups.every(({ reason }) => !reason.includes('\n')));
});

ours('a thousand waits that are over at once are looked at together', async (_, scene) => {
  await scene.play(() => new Promise(() => {}));
  const producer = scene.producer();
  const send = () => producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group, 'none'] });
  const jobs = await Promise.all(Array.from({ length: 1000 }, send));
  const monitor = await scene.monitor();
  const settled = await Promise.allSettled(jobs.map((job) => job.finished(50)));
  const reasons = settled.map(({ reason }) => reason);
  assert.ok(reasons.every(({ code }) => code === 'FINISH_TIMEOUT'));
  assert.ok(reasons.some(({ diagnosis }) => diagnosis));
  const asked = (await monitor.named('XINFO')).filter(([, what]) => what.toUpperCase() === 'GROUPS');
  // One for each time that the timers of this process came round, which takes a busy machine more than one.
  assert.ok(asked.length >= 1 && asked.length <= 20, `${asked.length} looks`);
  assert.strictEqual((await producer.stats()).timedOut, 1000);
});

ours('nothing is asked before the time is over', async (_, scene) => {
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  const monitor = await scene.monitor();
  const waiting = job.finished(60000);
  waiting.catch(() => {});
  await stays(() => true, 100);
  assert.deepStrictEqual(await monitor.named('XINFO', 'XPENDING', 'XRANGE', 'GET'), []);
});

ours(
  'without a connection, or an answer, finished() rejects in time, and says no more than in 2.2.0',
  async (_, scene) => {
    const redis = await scene.server();
    const connection = scene.connect({ ...redis.options, retryStrategy: () => 10, maxRetriesPerRequest: null });
    const producer = scene.producer(connection);
    const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
    redis.freeze();
    const since = performance.now();
    const silent = await unfinished(job);
    const took = performance.now() - since;
    redis.thaw();
    assert.deepStrictEqual([silent.message, silent.diagnosis], [begin(30), undefined]);
    assert.ok(took >= 250 && took < 2500, `${took} ms`);
    const client = connection.getClient('mine');
    await client.ping();
    redis.kill();
    await until(() => client.status === 'reconnecting' || client.status === 'close');
    const away = await until(async () => {
      const found = await unfinished(job);
      return found.diagnosis === undefined && found;
    });
    assert.strictEqual(away.message, begin(30));
  },
);

ours('a user who may not look hears no more than in 2.2.0', async (_, scene) => {
  const username = scene.name('user');
  const rules = ['on', '>secret', '~*', '&*', '+@all', '-xinfo'];
  await scene.redis.call('ACL', 'SETUSER', username, ...rules);
  const connection = scene.connect({ username, password: 'secret' });
  const error = await timesOut(scene, { connection });
  assert.deepStrictEqual([error.message, error.diagnosis], [begin(30), undefined]);
});

ours('what ends a wait while it is looked at ends it at once', async (_, scene) => {
  const redis = await scene.server();
  const producer = scene.producer(scene.connect(redis.options));
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  redis.freeze();
  scene.closing(() => redis.thaw());
  const controller = new AbortController();
  const reason = new Error('mine');
  const since = performance.now();
  const looked = job.finished({ timeout: 1, signal: controller.signal });
  setTimeout(() => controller.abort(reason), 20);
  await assert.rejects(looked, reason);
  const closed = assert.rejects(job.finished(1), { code: 'CONNECTION_CLOSED' });
  setTimeout(() => producer.close(), 20);
  await closed;
  assert.ok(performance.now() - since < 2000);
  assert.strictEqual((await producer.stats()).timedOut, 0);
});

ours('a completion that comes while it is looked why it has not is taken', async (_, scene) => {
  const proxy = await TcpProxy.to(scene.redis.port);
  scene.closing(() => proxy.close());
  const producer = scene.producer(scene.connect(proxy.options));
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  // What comes from Redis takes half of the time that the look may.
  proxy.delay(120);
  await scene.complete(job.id, producer.id);
  assert.ok((await job.finished(1))[scene.group] instanceof Date);
});

ours('a clock that a test holds decides when the time is over, and not how long the look takes', async (_, scene) => {
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  const { setTimeout: real } = globalThis;
  const timers = [];
  globalThis.setTimeout = (run, ms) => timers.push({ run, ms });
  const failed = job.finished(60000).catch((error) => error);
  assert.deepStrictEqual(
    timers.map(({ ms }) => ms),
    [60000],
  );
  timers[0].run();
  const error = await failed;
  const { length } = timers;
  globalThis.setTimeout = real;
  assert.deepStrictEqual([saidOf(error), length], [[[scene.group, 'absent']], 1]);
});

ours('a process may end while it is looked', async (_, scene) => {
  const redis = await scene.server();
  const child = scene.child(
    async ({ hfxbus, options, print }) => {
      const connection = hfxbus.ConnectionManager.standalone(options);
      const producer = new hfxbus.Producer(connection);
      const job = await producer.send({ stream: 's', job: producer.job(), waitFor: ['g'] });
      process.once('SIGUSR2', async () => {
        const codes = [job.finished(1), job.finished(1)].map((waiting) => waiting.catch(({ code }) => code));
        setTimeout(() => connection.stop({ force: true }), 20);
        print('codes', ...(await Promise.all(codes)));
      });
      print('sent');
    },
    { options: redis.options },
  );
  await child.says('sent');
  redis.freeze();
  scene.closing(() => redis.thaw());
  child.signal('SIGUSR2');
  assert.deepStrictEqual(await child.says('codes'), ['CONNECTION_CLOSED', 'CONNECTION_CLOSED']);
  assert.strictEqual((await child.exit()).code, 0);
});
