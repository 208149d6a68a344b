'use strict';

/* Names of dead consumers leave their groups, living consumers lose nothing by it, and no entry is lost. */

const assert = require('node:assert');
const { EmbeddedRedis } = require('../../testing.js');
const { keep, ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { hear } = require('../support/hearing.js');
const { keys } = require('../support/keys.js');
const { RawClient } = require('../support/raw-client.js');
const { jobs } = require('../support/stranded.js');
const { stays, until } = require('../support/wait-until.js');

const DAY = 24 * 60 * 60 * 1000;
/** Looks five times a second. */
const CLAIMS = { claimInterval: 40, claimDeadline: 60_000 };
const inspects = (words) => words[0] === 'XINFO' && words[1].toUpperCase() === 'STREAM';
const looks = (words) => words[0] === 'XINFO' && words[1].toUpperCase() === 'CONSUMERS';

/** The names in a group. */
async function namesIn(scene, { stream = scene.stream, redis = scene.redis } = {}) {
  const consumers = await redis.call('XINFO', 'CONSUMERS', keys.stream(stream), keys.group(scene.group));
  return consumers.map((fields) => fields[fields.indexOf('name') + 1]);
}

/** Gives an entry to each of some names in a group, and acknowledges it unless it is to stay `pending`. */
async function bringIn(scene, names, { stream = scene.stream, redis = scene.redis, pending = false } = {}) {
  const [key, group] = [keys.stream(stream), keys.group(scene.group)];
  await redis.call('XGROUP', 'CREATE', key, group, '$', 'MKSTREAM').catch(() => {});
  for (const name of names) {
    const id = await scene.add(name, { stream, redis });
    await redis.call('XREADGROUP', 'GROUP', group, name, 'COUNT', 1, 'STREAMS', key, '>');
    if (!pending) await redis.call('XACK', key, group, id);
  }
}

/** A process that runs one job and is killed then. */
async function liveAndDie(scene, name) {
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      const connection = hfxbus.ConnectionManager.standalone(options);
      const consumer = new hfxbus.Consumer(connection, { group: data.group, id: data.name });
      const processor = async () => {};
      consumer.on('drained', () => print('done'));
      await consumer.process({ stream: data.stream, processor }).play();
      print('plays');
    },
    { data: { stream: scene.stream, group: scene.group, name } },
  );
  await child.says('plays');
  await scene.add('job');
  await child.says('done');
  child.kill();
  await child.exit();
}

ours('killed consumers leave the group, and living ones stay', async (_, scene) => {
  const dead = ['dead-1', 'dead-2', 'dead-3'];
  for (const name of dead) await liveAndDie(scene, name);
  assert.deepStrictEqual((await namesIn(scene)).sort(), dead);
  await bringIn(scene, ['owner'], { pending: true });
  const ran = [];
  const [limit, processor] = [1500, async (job) => ran.push(job.id)];
  const told = hear(scene, 'remove');
  // On another connection, as another process is; it does not claim, and is given nothing any more.
  const options = { id: 'living', blockTimeout: 50, removeIdleConsumers: limit, connection: scene.connect() };
  await scene.play(processor, options);
  await scene.add('job');
  await until(async () => ran.length === 1 && (await scene.pending()) === 1);
  const consumer = await scene.play(processor, { ...CLAIMS, id: 'claiming', removeIdleConsumers: limit });
  const left = async () => (await namesIn(scene)).filter((name) => name !== 'claiming').sort();
  await until(async () => !(await left()).some((name) => dead.includes(name)));
  await stays(async () => (await left()).join() === 'living,owner', 2 * limit);
  const removed = told.flatMap(({ consumers }) => consumers).sort();
  assert.deepStrictEqual(removed, dead);
  const { consumers: _names, ...rest } = told[0];
  assert.deepStrictEqual(rest, { consumer, group: scene.group, stream: scene.stream });
});

/** Starts a server with a manual clock. */
async function timeless(scene) {
  const redis = await EmbeddedRedis.start({ clock: 'manual' });
  scene.closing(() => redis.stop());
  const client = new RawClient(redis.port);
  scene.closing(() => client.close());
  const connection = scene.connect({ host: redis.host, port: redis.port });
  return { server: { call: (...words) => client.call(...words) }, connection, advance: (ms) => redis.advance(ms) };
}

ours('any number of idle consumers leave a group, in batches that do not wait for the next hour', async (_, scene) => {
  const { server: redis, connection, advance } = await timeless(scene);
  await bringIn(scene, jobs(250, 'dead'), { redis });
  await advance(8 * DAY);
  await scene.play(async () => {}, { ...CLAIMS, connection });
  await until(async () => (await namesIn(scene, { redis })).every((name) => !name.startsWith('dead')));
});

ours('a consumer of all nodes removes idle consumers on each node', async (_, scene) => {
  const nodes = await scene.nodes();
  for (const redis of nodes) await bringIn(scene, ['dead-1', 'dead-2'], { redis });
  const connection = scene.partition(nodes);
  const route = scene.hfxbus.DISTRIBUTED_ROUTING;
  await scene.play(async () => {}, { ...CLAIMS, connection, route, removeIdleConsumers: 200 });
  const left = () => Promise.all(nodes.map((redis) => namesIn(scene, { redis })));
  await until(async () => (await left()).flat().every((name) => !name.startsWith('dead')));
});

for (const [what, options] of [
  ['0', { removeIdleConsumers: 0 }],
  ['Infinity', { removeIdleConsumers: Infinity }],
  ['a claimInterval of 0', { claimInterval: 0, removeIdleConsumers: 50 }],
]) {
  ours(`with ${what} idle consumers stay`, async (_, scene) => {
    await bringIn(scene, ['dead']);
    await scene.play(async () => {}, { ...CLAIMS, ...options });
    await stays(async () => (await namesIn(scene)).includes('dead'), 800);
  });
}

ours('by default idle consumers leave after a week, and not before', async (_, scene) => {
  const { server: redis, connection, advance } = await timeless(scene);
  await bringIn(scene, ['dead'], { redis });
  await advance(DAY);
  await bringIn(scene, ['idle'], { redis });
  await advance(7 * DAY - 1000);
  await scene.play(async () => {}, { ...CLAIMS, connection });
  await until(async () => !(await namesIn(scene, { redis })).includes('dead'));
  assert.ok((await namesIn(scene, { redis })).includes('idle'));
});

ours('a consumer queries the consumers of its group at most once an hour', async (_, scene) => {
  await bringIn(scene, ['other', 'another', 'own']);
  const monitor = await scene.monitor();
  await scene.play(async () => {}, { ...CLAIMS, id: 'own' });
  await until(async () => (await monitor.commands()).filter(inspects).length >= 6);
  assert.strictEqual((await monitor.commands()).filter(looks).length, 1);
});

ours('a paused consumer of the same process stays in the group', async (_, scene) => {
  const paused = await scene.play(async () => {}, { id: 'paused' });
  await scene.add('job');
  await until(async () => (await namesIn(scene)).includes('paused') && (await scene.pending()) === 0);
  await paused.pause();
  await bringIn(scene, ['dead']);
  await scene.play(async () => {}, { ...CLAIMS, removeIdleConsumers: 200 });
  await until(async () => !(await namesIn(scene)).includes('dead'));
  await stays(async () => (await namesIn(scene)).includes('paused'), 800);
});

keep('a consumer that is removed while it waits, or is paused, still gets the next entries', async (_, scene) => {
  const ran = [];
  const consumer = await scene.play(async (job) => ran.push(job.id), { blockTimeout: 400 });
  const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  const remove = () => scene.redis.call('XGROUP', 'DELCONSUMER', key, group, consumer.id);
  for (const job of ['first', 'second', 'third']) {
    await scene.add(job);
    await until(async () => ran.includes(job) && (await scene.pending()) === 0);
    assert.strictEqual(await remove(), 0);
  }
  await consumer.pause();
  await remove();
  await scene.add('fourth');
  await consumer.play();
  await until(async () => ran.length === 4 && (await scene.pending()) === 0);
  assert.ok((await namesIn(scene)).includes(consumer.id));
});

ours('an entry delivered to an idle consumer just before its removal stays pending', async (_, scene) => {
  const redis = await scene.server();
  const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  const gate = new Gate();
  const begun = new Gate();
  const processor = () => {
    begun.open();
    return gate.opened;
  };
  // Its only job keeps it from reading what is for the other one.
  const connection = scene.connect(redis.options);
  const consumer = scene.consumer({ ...CLAIMS, removeIdleConsumers: 500 }, connection);
  const errors = scene.errors(consumer);
  await consumer.process({ stream: scene.stream, processor }).play();
  await scene.add('long', { redis });
  await begun.opened;
  const monitor = await scene.monitor(redis);
  const slow = new RawClient(redis.port);
  scene.closing(() => slow.close());
  await bringIn(scene, ['slow'], { redis });
  const id = await scene.add('late', { redis });
  // Writes wait in their order from now on: the read of the slow one, then the removal. Looks do not.
  await redis.call('CLIENT', 'PAUSE', 20_000, 'WRITE');
  const reading = slow.call('XREADGROUP', 'GROUP', group, 'slow', 'COUNT', 1, 'STREAMS', key, '>');
  // The first one is a trial without anything in it.
  await until(async () => (await monitor.named('MULTI')).length === 2);
  await redis.call('CLIENT', 'UNPAUSE');
  const [[, [[read]]]] = await reading;
  assert.strictEqual(read, id);
  await until(async () => (await monitor.commands()).some((words) => words.includes('FORCE')));
  const [row] = await redis.call('XPENDING', key, group, id, id, 1);
  assert.deepStrictEqual([row[0], row[1], row[3]], [id, 'slow', 1]);
  assert.deepStrictEqual(errors, []);
  assert.strictEqual(await redis.call('XACK', key, group, id), 1);
  gate.open();
});
