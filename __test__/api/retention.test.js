'use strict';

/* retain: 'acknowledged': an entry goes once every group has acknowledged it, and never before. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { countsEntries } = require('../support/stream-counts.js');
const { stays, until } = require('../support/wait-until.js');

const RETAIN = { retain: 'acknowledged', retainFor: 100 };
const mark = (stream) => `hfxbus:ret:${stream}`;
const lease = (stream) => `hfxbus:rtl:${stream}`;

/** Sends jobs one after the other. @returns their entries' ids */
async function send({ redis, stream }, producer, count) {
  for (let at = 0; at < count; at++) await producer.send({ stream, job: producer.job(`job-${at}`) });
  return ids(await redis.call('XRANGE', keys.stream(stream), '-', '+'));
}

const ids = (entries) => entries.map(([id]) => id);

const entriesOf = async ({ redis, stream }) => ids(await redis.call('XRANGE', keys.stream(stream), '-', '+'));

/** Creates a group that nobody reads for. */
function group({ redis, stream }, name, from = '0') {
  return redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(name), from, 'MKSTREAM');
}

/** Has the next entries of a group delivered to a consumer that does not run them. */
async function take({ redis, stream }, name, count) {
  const words = ['GROUP', keys.group(name), 'mute', 'COUNT', count, 'STREAMS', keys.stream(stream), '>'];
  const [[, entries]] = await redis.call('XREADGROUP', ...words);
  return ids(entries);
}

const acknowledge = ({ redis, stream }, name, ...entries) =>
  redis.call('XACK', keys.stream(stream), keys.group(name), ...entries);

/** Resolves once the consumer has run a cycle that could have removed what was acknowledged before. */
async function cycles(scene, monitor, count = 8) {
  const groups = async () =>
    (await monitor.commands()).filter(([name, what]) => name === 'XINFO' && what === 'GROUPS').length;
  const before = await groups();
  await until(async () => (await groups()) >= before + count);
  return entriesOf(scene);
}

ours('acknowledged entries go, and without retain they stay', async (_, scene) => {
  const [kept, retained] = [scene.connect(), scene.connect(RETAIN)];
  const consumer = await scene.play(async () => {}, { connection: kept });
  await send(scene, scene.producer(), 20);
  await until(async () => (await consumer.stats()).resolved === 20);
  await stays(async () => (await scene.length()) === 20, 300);
  await scene.play(async () => {}, { connection: retained });
  await until(async () => (await scene.length()) === 0);
  assert.strictEqual((await consumer.stats()).trimmed, 0);
});

ours('an entry stays while a group has not read it or has not acknowledged it', async (_, scene) => {
  const { group: fast } = scene;
  const monitor = await scene.monitor();
  for (const name of ['slow', 'stuck']) await group(scene, name);
  const consumer = await scene.play(async () => {}, { connection: scene.connect(RETAIN) });
  const sent = await send(scene, scene.producer(), 10);
  await until(async () => (await consumer.stats()).resolved === 10);
  assert.deepStrictEqual(await cycles(scene, monitor), sent, 'two groups have read nothing');
  await acknowledge(scene, 'slow', ...(await take(scene, 'slow', 8)));
  const [first, second, ...others] = await take(scene, 'stuck', 10);
  await acknowledge(scene, 'stuck', first, ...others);
  await until(async () => (await scene.length()) === 9);
  assert.deepStrictEqual(await cycles(scene, monitor), sent.slice(1), `${second} is pending`);
  await acknowledge(scene, 'stuck', second);
  await until(async () => (await scene.length()) === 2);
  assert.deepStrictEqual(await cycles(scene, monitor), sent.slice(8), 'slow has not read them');
  assert.deepStrictEqual(await take(scene, 'slow', 10), sent.slice(8));
  assert.deepStrictEqual([(await consumer.stats()).trimmed, await scene.pending({ group: fast })], [0, 0]);
});

ours('an entry stays for retainFor after its acknowledgement', async (_, scene) => {
  const consumer = await scene.play(async () => {}, { connection: scene.connect({ ...RETAIN, retainFor: 1500 }) });
  await send(scene, scene.producer(), 5);
  await until(async () => (await consumer.stats()).resolved === 5);
  await stays(async () => (await scene.length()) === 5, 700);
  await until(async () => (await scene.length()) === 0);
});

ours('a group that is created at the beginning holds what is there', async (_, scene) => {
  const monitor = await scene.monitor();
  const consumer = await scene.play(async () => {}, { connection: scene.connect({ ...RETAIN, retainFor: 600 }) });
  const sent = await send(scene, scene.producer(), 5);
  await until(async () => (await consumer.stats()).resolved === 5);
  await group(scene, 'late');
  assert.deepStrictEqual(await cycles(scene, monitor), sent);
  await acknowledge(scene, 'late', ...(await take(scene, 'late', 5)));
  await until(async () => (await scene.length()) === 0);
});

ours('entries of a failed job stay until it has ended', async (_, scene) => {
  let isBroken = true;
  const connection = scene.connect(RETAIN);
  const processor = async () => {
    if (isBroken) throw new Error('no');
  };
  const consumer = await scene.play(processor, { connection, claimInterval: 50, claimDeadline: 100, retryLimit: 1000 });
  await send(scene, scene.producer(), 3);
  await until(async () => (await consumer.stats()).retried >= 3);
  await stays(async () => (await scene.length()) === 3, 300);
  isBroken = false;
  await until(async () => (await scene.length()) === 0);
  const { resolved, trimmed } = await consumer.stats();
  assert.deepStrictEqual([resolved, trimmed], [3, 0]);
});

ours('one consumer at a time removes entries, and another one goes on after its end', async (_, scene) => {
  const monitor = await scene.monitor();
  const connections = [scene.connect(RETAIN), scene.connect(RETAIN)];
  const [first, second] = await Promise.all(
    connections.map((connection) => scene.play(async () => {}, { connection })),
  );
  const owner = () => scene.redis.call('GET', lease(scene.stream));
  await until(owner);
  const producer = scene.producer();
  /** Number of XTRIM of each connection. */
  const trims = async () =>
    (await monitor.byConnection()).map((names) => names.filter((name) => name === 'XTRIM').length);
  /** The owner of the lease, and the connection that removed what was sent meanwhile. */
  const trimmers = async () => {
    await send(scene, producer, 5);
    const before = await trims();
    await until(async () => (await scene.length()) === 0);
    const since = (await trims()).flatMap((count, at) => (count > (before[at] ?? 0) ? [at] : []));
    return [await owner(), ...since];
  };
  const [holder, connection] = await trimmers();
  assert.notStrictEqual(connection, undefined);
  assert.deepStrictEqual(await trimmers(), [holder, connection]);
  const [ended, next] = first.id === holder ? [connections[0], second] : [connections[1], first];
  await ended.stop();
  await until(async () => (await owner()) === next.id);
  const [last, other] = await trimmers();
  assert.deepStrictEqual([last, other !== connection], [next.id, true]);
});

ours('a producer that missed a completion gets the success of an entry that was removed', async (_, scene) => {
  const { redis, stream, group: name } = scene;
  await group(scene, name);
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job(), waitFor: [name] });
  const finished = job.finished();
  await acknowledge(scene, name, ...(await take(scene, name, 1)));
  await scene.play(async () => {}, { connection: scene.connect(RETAIN) });
  // Before 7.0 Redis does not count the entries of a stream, so nothing says what has removed one.
  const hasMark = await countsEntries(redis, keys.stream(stream));
  const isMarked = async () => !hasMark || (await redis.call('GET', mark(stream)))?.endsWith(' 1');
  await until(async () => (await scene.length()) === 0 && (await isMarked()));
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  const { [name]: outcome } = await finished;
  if (hasMark) assert.ok(outcome instanceof Date);
  else assert.strictEqual(outcome.code, 'OUTCOME_UNKNOWN');
});

ours('an entry that something else removed beside retention has no known outcome', async (_, scene) => {
  const { redis, stream, group: name } = scene;
  await group(scene, name);
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job(), waitFor: [name] });
  const finished = job.finished();
  await redis.call('XTRIM', keys.stream(stream), 'MAXLEN', 0);
  const consumer = await scene.play(async () => {}, { connection: scene.connect(RETAIN) });
  await send(scene, scene.producer(), 5);
  await until(async () => (await consumer.stats()).resolved === 5 && (await scene.length()) === 0);
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  assert.strictEqual((await finished)[name].code, 'OUTCOME_UNKNOWN');
});

ours('the outcome of a dead-lettered job is its failure, also after its entry was removed', async (_, scene) => {
  const { redis, stream, group: name } = scene;
  await group(scene, name);
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job(), waitFor: [name] });
  const finished = job.finished();
  const processor = async () => {
    throw new scene.hfxbus.UnrecoverableError('mine');
  };
  // The completion is lost.
  await redis.call('CLIENT', 'PAUSE', 1, 'WRITE');
  const options = { deadLetter: scene.name('dead'), retryLimit: 1, claimInterval: 50 };
  await scene.play(processor, { connection: scene.connect(RETAIN), ...options });
  await until(async () => (await scene.length()) === 0);
  assert.strictEqual((await finished)[name].message, 'mine');
  assert.strictEqual(await scene.length(options.deadLetter), 1);
});

ours('a consumer that may not remove entries reports it once', async (_, scene) => {
  const redis = await scene.server();
  await redis.call('ACL', 'SETUSER', 'few', 'on', '>secret', '~*', '&*', '+@all', '-xtrim');
  const options = { ...redis.options, username: 'few', password: 'secret' };
  const consumer = await scene.play(async () => {}, { connection: scene.connect({ ...options, ...RETAIN }) });
  const errors = scene.errors(consumer);
  const monitor = await scene.monitor(redis);
  const producer = scene.producer(scene.connect(options));
  await send({ redis, stream: scene.stream }, producer, 3);
  await until(() => errors.length > 0);
  await cycles({ redis, stream: scene.stream }, monitor);
  assert.deepStrictEqual(
    errors.map(({ code, command, message }) => [code, command, message.split(' ')[0]]),
    [['CONSUME_ERROR', 'XTRIM', 'NOPERM']],
  );
  assert.strictEqual(await scene.length(scene.stream, redis), 3);
});

ours('a pause ends retention, and play() begins it again', async (_, scene) => {
  const monitor = await scene.monitor();
  const consumer = await scene.play(async () => {}, { connection: scene.connect(RETAIN) });
  await until(async () => (await monitor.commands()).some(([name]) => name === 'XINFO'));
  await consumer.pause();
  const sent = await send(scene, scene.producer(), 3);
  await acknowledge(scene, scene.group, ...(await take(scene, scene.group, 3)));
  await stays(async () => (await scene.length()) === sent.length, 400);
  await consumer.play();
  await until(async () => (await scene.length()) === 0);
});

ours('on several nodes acknowledged entries go from each', async (_, scene) => {
  const nodes = await scene.nodes();
  const connection = scene.partition(nodes, RETAIN);
  const { DISTRIBUTED_ROUTING } = scene.hfxbus;
  const gate = new Gate();
  const consumer = await scene.play(() => gate.opened, { connection, route: DISTRIBUTED_ROUTING, concurrency: 20 });
  const producer = scene.producer(connection);
  const { stream } = scene;
  const jobs = Array.from({ length: 20 }, () => ({ stream, job: producer.job(), route: DISTRIBUTED_ROUTING }));
  await producer.sendAll(jobs);
  const lengths = async () => {
    const each = await Promise.all(nodes.map((node) => scene.length(stream, node)));
    return each.reduce((sum, length) => sum + length, 0);
  };
  await stays(async () => (await lengths()) === 20, 300);
  gate.open();
  await until(async () => (await lengths()) === 0);
  assert.strictEqual((await consumer.stats()).resolved, 20);
});

ours('on a Cluster acknowledged entries go from every stream', async (_, scene) => {
  const cluster = await scene.cluster();
  const connection = scene.connectCluster(cluster, RETAIN);
  const streams = ['a', 'b', 'c', 'd', 'e', 'f'].map((at) => scene.name(at));
  const consumer = scene.consumer({ concurrency: 5 }, connection);
  for (const stream of streams) consumer.process({ stream, processor: async () => {} });
  await consumer.play();
  const producer = scene.producer(connection);
  await producer.sendAll(streams.map((stream) => ({ stream, job: producer.job() })));
  const client = connection.getClient('lengths');
  const lengths = () => Promise.all(streams.map((stream) => client.xlen(keys.stream(stream))));
  await until(async () => (await consumer.stats()).resolved === streams.length);
  await until(async () => (await lengths()).every((length) => length === 0));
});

ours('retain and its time are checked before anything is sent', (_, { hfxbus }) => {
  const { ConnectionManager } = hfxbus;
  for (const make of [
    (options) => ConnectionManager.standalone(options),
    (options) => ConnectionManager.cluster([7000], options),
    (options) => ConnectionManager.nodes({ nodes: [{}], ...options }),
  ]) {
    assert.throws(() => make({ retain: 'always' }), { name: 'TypeError', message: /retain must be 'acknowledged'/ });
    assert.throws(() => make({ retain: 'acknowledged', retainFor: -1 }), { name: 'RangeError', message: /retainFor/ });
    assert.throws(() => make({ retainFor: Infinity }), { name: 'RangeError', message: /retainFor/ });
    assert.throws(() => make({ backlogLimit: -1 }), { name: 'RangeError', message: /backlogLimit/ });
    assert.throws(() => make({ backlogLimit: {} }), { name: 'TypeError', message: /backlogLimit/ });
    make({ retain: null, retainFor: undefined, backlogLimit: NaN });
  }
});
