'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { jobs, strand } = require('../support/stranded.js');
const { stays, until } = require('../support/wait-until.js');

/** Opens a connection of a user with all rights except those that the rules remove. */
async function limited(scene, ...rules) {
  const username = scene.name('user');
  await scene.redis.call('ACL', 'SETUSER', username, 'on', '>secret', '~*', '&*', '+@all', ...rules);
  return { username, connection: scene.connect({ username, password: 'secret', connectionName: 'limited' }) };
}

/** Returns the number of refusals of a user. */
async function refusals(scene, username) {
  const log = await scene.redis.call('ACL', 'LOG', 100);
  const at = (entry, name) => entry[entry.indexOf(name) + 1];
  const own = log.filter((entry) => at(entry, 'username') === username);
  return own.reduce((sum, entry) => sum + at(entry, 'count'), 0);
}

const noPermission = (command) => ({ name: 'ReplyError', code: 'NOPERM', command });

/** Something that a producer or a job does, with the command that it is refused. */
const REFUSED = [
  ['XADD', (scene, producer) => producer.send({ stream: scene.stream, job: producer.job() })],
  ['SET', (_, producer) => producer.job().set('a', 1).push()],
  ['PSETEX', (_, producer) => producer.job().set('a', 1, 1000).push()],
  ['GET', (_, producer) => producer.job().get('a').pull()],
  ['PSUBSCRIBE', (scene, producer) => producer.listen(scene.stream)],
  ['SUBSCRIBE', (scene, producer) => producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['g'] })],
  ['XGROUP', (scene, _, connection) => scene.play(async () => {}, { connection })],
];

for (const [command, run] of REFUSED) {
  ours(
    `without the right to ${command} its call rejects with NOPERM and the command, and is sent only once`,
    async (_, scene) => {
      const { connection, username } = await limited(scene, `-${command.toLowerCase()}`);
      await assert.rejects(run(scene, scene.producer(connection), connection), noPermission(command));
      assert.strictEqual(await refusals(scene, username), 1);
    },
  );
}

ours('without the right to a key or a channel its call rejects with NOPERM', async (_, scene) => {
  const { connection } = await limited(scene, 'resetkeys', '~other:*', 'resetchannels');
  const producer = scene.producer(connection);
  await assert.rejects(producer.send({ stream: scene.stream, job: producer.job() }), noPermission('XADD'));
  await assert.rejects(producer.listen(scene.stream), noPermission('PSUBSCRIBE'));
});

ours('without the right to MULTI a send and a settlement with payload changes run one by one', async (_, scene) => {
  const { stream, group, redis } = scene;
  const { connection } = await limited(scene, '-multi', '-exec');
  const failures = [];
  const consumer = await scene.play(
    async (job) => {
      const { inbound } = await job.get('inbound', false).del('inbound').pull();
      job.set('outbound', `${inbound}world!`);
    },
    { connection },
  );
  consumer.on('error', (error) => failures.push(error));
  const producer = scene.producer(connection);
  const job = producer.job().set('inbound', 'Hello ');
  await producer.send({ stream, job, waitFor: [group] });
  await job.finished();
  assert.deepStrictEqual(await job.get('inbound').get('outbound', false).pull(), {
    inbound: null,
    outbound: 'Hello world!',
  });
  await until(async () => (await redis.call('XPENDING', keys.stream(stream), keys.group(group)))[0] === 0);
  await consumer.pause();
  assert.deepStrictEqual([failures, await redis.call('XLEN', keys.stream(stream))], [[], 1]);
});

for (const command of ['XACK', 'PUBLISH']) {
  ours(
    `without the right to ${command} the consumer reports each job once as one that it cannot settle`,
    async (_, scene) => {
      const { connection, username } = await limited(scene, `-${command.toLowerCase()}`);
      const consumer = await scene.play(async () => {}, { connection });
      const errors = scene.errors(consumer);
      for (const job of ['one', 'two']) await scene.add(job);
      await until(() => errors.length === 2, { what: 'both errors' });
      assert.deepStrictEqual(
        errors.map((error) => [error.code, error.command, error.job.id]),
        ['one', 'two'].map((job) => ['REJECT_JOB_ERROR', command, job]),
      );
      await stays(() => errors.length === 2, 300);
      assert.strictEqual(await refusals(scene, username), 2);
    },
  );
}

ours(
  'without the right to XREADGROUP a consumer reports that once, retries with growing delays, and reads when allowed',
  async (_, scene) => {
    const { connection, username } = await limited(scene, '-xreadgroup');
    const done = [];
    const consumer = scene.consumer({}, connection);
    const errors = scene.errors(consumer);
    await consumer.process({ stream: scene.stream, processor: async (job) => done.push(job.id) }).play();
    await until(async () => (await refusals(scene, username)) >= 4, { what: 'it to be asked again' });
    assert.ok((await refusals(scene, username)) < 20, 'no loop');
    assert.deepStrictEqual(
      errors.map((error) => [error.code, error.command, error.message.split(' ')[0]]),
      [['CONSUME_ERROR', 'XREADGROUP', 'NOPERM']],
    );
    await scene.redis.call('ACL', 'SETUSER', username, '+xreadgroup');
    await scene.add('one');
    await until(() => done.length === 1, { what: 'the job' });
  },
);

ours('without XINFO a lost group is created again after the last entry seen', async (_, scene) => {
  const redis = await scene.server('--rename-command', 'XINFO', '');
  const seen = [];
  const consumer = await scene.play(async (job) => seen.push(job.id), { connection: scene.connect(redis.options) });
  const errors = scene.errors(consumer);
  for (const job of ['job-1', 'job-2']) await scene.add(job, { redis });
  await until(() => seen.length === 2);
  await redis.call('XGROUP', 'DESTROY', keys.stream(scene.stream), keys.group(scene.group));
  await until(() => errors.length > 0);
  await scene.add('job-3', { redis });
  await until(() => seen.length === 3);
  assert.deepStrictEqual(seen, ['job-1', 'job-2', 'job-3']);
});

ours('without the rights to TIME and XINFO a consumer that claims reports that once, and claims', async (_, scene) => {
  const { connection, username } = await limited(scene, '-time', '-xinfo');
  const runs = [];
  const consumer = scene.consumer({ claimInterval: 20, claimDeadline: 100 }, connection);
  const errors = scene.errors(consumer);
  const processor = async (job) => {
    if (runs.push(job.id) === 1) throw new Error('again');
  };
  await consumer.process({ stream: scene.stream, processor }).play();
  await scene.add('one');
  await until(() => runs.length === 2, { what: 'the job again' });
  const before = await refusals(scene, username);
  await until(async () => (await refusals(scene, username)) > before + 6, { what: 'it to be asked again' });
  assert.deepStrictEqual(
    errors.map((error) => [error.code, error.command, error.message.split(' ')[0]]),
    [['CONSUME_ERROR', 'XINFO', 'NOPERM']],
  );
});

ours('without the right to XCLAIM pending entries are queried once in each claimInterval', async (_, scene) => {
  const { connection, username } = await limited(scene, '-xclaim');
  await strand(scene, jobs(50), { idle: 60_000 });
  const [runs, claimInterval] = [[], 100];
  const consumer = scene.consumer({ claimInterval }, connection);
  const errors = scene.errors(consumer);
  await consumer.process({ stream: scene.stream, processor: async (job) => runs.push(job.id) }).play();
  await until(() => errors.length > 0);
  const [before, began] = [await refusals(scene, username), performance.now()];
  await until(async () => (await refusals(scene, username)) >= before + 5, { what: 'it to be asked again' });
  const [asked, took] = [(await refusals(scene, username)) - before, performance.now() - began];
  assert.ok(asked <= took / claimInterval + 1, `${asked} in ${took} ms`);
  assert.deepStrictEqual([errors.length, errors[0].command, runs], [1, 'XCLAIM', []]);
  await scene.redis.call('ACL', 'SETUSER', username, '+xclaim');
  await until(() => runs.length === 50, { what: 'all jobs' });
});

for (const [what, told, ...rules] of [
  ['MULTI', [], '-multi'],
  ['EXEC', [], '-exec'],
  ['XGROUP DELCONSUMER', [], '-xgroup', '+xgroup|create'],
  ['XINFO', ['XINFO'], '-xinfo'],
]) {
  ours(`without the right to ${what} a consumer claims, and leaves idle consumers in the group`, async (_, scene) => {
    const { connection, username } = await limited(scene, ...rules);
    await strand(scene, ['one'], { idle: 60_000 });
    const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
    const ran = [];
    const consumer = scene.consumer({ claimInterval: 20, removeIdleConsumers: 100 }, connection);
    const errors = scene.errors(consumer);
    await consumer.process({ stream: scene.stream, processor: async (job) => ran.push(job.id) }).play();
    await until(async () => ran.length === 1 && (await scene.pending()) === 0);
    const before = await refusals(scene, username);
    await until(async () => (await refusals(scene, username)) > before + 2, { what: 'it to be tried again' });
    await strand(scene, ['two'], { idle: 60_000 });
    await until(async () => ran.length === 2 && (await scene.pending()) === 0);
    const names = (await scene.redis.call('XINFO', 'CONSUMERS', key, group)).map(([, name]) => name);
    assert.ok(names.includes('gone'), `${names}`);
    assert.deepStrictEqual(
      errors.map(({ command }) => command),
      told,
    );
  });
}

ours('without the rights to INFO, CLIENT and scripts everything else works', async (_, scene) => {
  const { connection } = await limited(scene, '-info', '-client', '-@scripting', '-role', '-config');
  const done = [];
  const consumer = await scene.play(async (job) => done.push(job.id), { connection, blockTimeout: 300 });
  const errors = scene.errors(consumer);
  const producer = scene.producer(connection);
  const sent = await producer.send({ stream: scene.stream, job: producer.job('one'), waitFor: [scene.group] });
  await sent.finished();
  await consumer.pause();
  await connection.stop();
  assert.deepStrictEqual([done, errors], [['one'], []]);
});
