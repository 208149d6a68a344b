'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const EAGER = { claimInterval: 30, claimDeadline: 60, retryLimit: 2 };

async function letters(scene, name) {
  const found = new scene.hfxbus.DeadLetters(scene.connection, name);
  return found.list();
}

ours('an entry that reached retryLimit is dead-lettered, with its origin and its last error', async (_, scene) => {
  const deadLetter = scene.name('dead');
  const exhausted = [];
  let runs = 0;
  const processor = async () => {
    runs++;
    throw Object.assign(new Error(`failure ${runs}`), { code: 'EFAIL' });
  };
  const consumer = await scene.play(processor, { ...EAGER, deadLetter });
  const errors = scene.errors(consumer);
  consumer.on('exhausted', (entry) => exhausted.push(entry));
  const producer = scene.producer();
  const job = producer.job('job-1');
  await job.set('payload', 'stays').push();
  await producer.send({ stream: scene.stream, job });
  await until(() => exhausted.length === 1);
  const [letter, ...others] = await letters(scene, deadLetter);
  const { id, entryId, error, ...rest } = letter;
  assert.deepStrictEqual(rest, {
    node: 0,
    jobId: 'job-1',
    producerId: producer.id,
    stream: scene.stream,
    group: scene.group,
    deliveries: 2,
    reason: 'exhausted',
  });
  assert.deepStrictEqual([error.message, error.code, others, exhausted[0].moved], ['failure 2', 'EFAIL', [], true]);
  assert.deepStrictEqual([entryId, id.includes('-')], [exhausted[0].id, true]);
  assert.deepStrictEqual([await scene.pending(), runs, errors], [0, 2, []]);
  assert.deepStrictEqual(await job.get('payload', false).pull(), { payload: 'stays' });
});

ours('an unrecoverable error dead-letters the job at once', async (_, scene) => {
  const deadLetter = scene.name('dead');
  const processor = () => {
    throw new scene.hfxbus.UnrecoverableError('no use');
  };
  await scene.play(processor, { deadLetter });
  await scene.add('job-1');
  await until(async () => (await letters(scene, deadLetter)).length === 1);
  const [{ reason, deliveries, error }] = await letters(scene, deadLetter);
  assert.deepStrictEqual([reason, deliveries, error.name], ['unrecoverable', 1, 'UnrecoverableError']);
  assert.strictEqual(await scene.pending(), 0);
});

ours('of several consumers that find an exhausted entry only one dead-letters it', async (_, scene) => {
  const deadLetter = scene.name('dead');
  const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  await scene.redis.call('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM');
  const jobs = Array.from({ length: 50 }, (_, index) => `job-${index}`);
  for (const job of jobs) await scene.add(job);
  const read = await scene.redis.call('XREADGROUP', 'GROUP', group, 'gone', 'COUNT', 50, 'STREAMS', key, '>');
  const ids = read[0][1].map(([id]) => id);
  await scene.redis.call('XCLAIM', key, group, 'gone', 0, ...ids, 'RETRYCOUNT', 9, 'JUSTID');
  let runs = 0;
  for (let count = 0; count < 3; count++) {
    await scene.play(async () => runs++, { ...EAGER, deadLetter, connection: scene.connect() });
  }
  await until(async () => (await scene.pending()) === 0);
  const moved = await letters(scene, deadLetter);
  assert.deepStrictEqual([moved.map(({ jobId }) => jobId).sort(), runs], [jobs.sort(), 0]);
  assert.ok(moved.every(({ error, reason }) => error === null && reason === 'exhausted'));
});

ours('a dead letter is replayed or dropped, and is then removed', async (_, scene) => {
  const deadLetter = scene.name('dead');
  const seen = [];
  let isMended = false;
  const processor = async (job) => {
    seen.push(job.id);
    if (!isMended) throw new scene.hfxbus.UnrecoverableError('no use');
  };
  await scene.play(processor, { deadLetter });
  for (const job of ['a', 'b', 'c']) await scene.add(job);
  await until(async () => (await letters(scene, deadLetter)).length === 3);
  const dead = new scene.hfxbus.DeadLetters(scene.connection, deadLetter);
  const [first, second] = await dead.list({ count: 2 });
  const [third, ...none] = await dead.list({ after: second });
  assert.deepStrictEqual([third.jobId, none], ['c', []]);
  isMended = true;
  await dead.replay(first);
  await until(async () => seen.length === 4 && (await scene.pending()) === 0);
  assert.deepStrictEqual([await dead.drop(second), await dead.drop(second)], [true, false]);
  assert.deepStrictEqual([seen[3], (await dead.list()).map(({ jobId }) => jobId)], ['a', ['c']]);
});

/** Bytes that are no text. */
const BINARY = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x0a]);

/** A letter of a job with values, and a processor that reads them once it is mended. */
async function withValues(scene, options) {
  const deadLetter = scene.name('dead');
  const read = [];
  let isMended = false;
  await scene.play(
    async (job) => {
      if (!isMended) throw new scene.hfxbus.UnrecoverableError('no use');
      read.push(await job.get('binary').get('text', false).get('large', false).pull());
    },
    { deadLetter },
  );
  const producer = scene.producer();
  const job = producer.job().set('binary', BINARY).set('text', 'ünïcode').set('large', 'x'.repeat(2000));
  await producer.send({ stream: scene.stream, job, ...options });
  await until(async () => (await letters(scene, deadLetter)).length === 1);
  const dead = new scene.hfxbus.DeadLetters(scene.connection, deadLetter);
  return { dead, deadLetter, job, read, mend: () => (isMended = true) };
}

/** Fields of the last entry of a stream. */
async function lastFields(scene, stream) {
  const [[, fields]] = await scene.redis.call('XREVRANGE', keys.stream(stream), '+', '-', 'COUNT', 1);
  return fields.filter((_, at) => at % 2 === 0);
}

ours('a replayed letter carries its values, also after the payload keys are gone', async (_, scene) => {
  const { dead, job, read, mend } = await withValues(scene, { carry: true });
  const [letter] = await dead.list();
  assert.deepStrictEqual(
    Object.keys(letter).filter((name) => name.startsWith('val:') || name === 'own'),
    [],
  );
  assert.ok(!JSON.stringify(letter).includes('xxx') && !JSON.stringify(letter).includes('ünïcode'));
  for (const key of ['binary', 'text', 'large']) await scene.redis.call('DEL', keys.payload(job.id, key));
  mend();
  await dead.replay(letter);
  await until(() => read.length === 1);
  // The large value was never in the entry.
  assert.deepStrictEqual(read, [{ binary: BINARY, text: 'ünïcode', large: null }]);
  assert.deepStrictEqual(await lastFields(scene, scene.stream), ['prd', 'job', 'val:binary', 'val:text']);
});

ours('a replayed letter of an entry that is the only copy has all of its values', async (_, scene) => {
  const options = { payload: 'entry', waitFor: [scene.group], returns: ['text'], durable: true };
  const { dead, deadLetter, read, mend } = await withValues(scene, options);
  mend();
  const [letter] = await dead.list();
  assert.deepStrictEqual(
    (await lastFields(scene, deadLetter)).filter((name) => name.startsWith('val:')),
    ['val:binary', 'val:text', 'val:large'],
  );
  await dead.replay(letter);
  await until(() => read.length === 1);
  assert.deepStrictEqual(read, [{ binary: BINARY, text: 'ünïcode', large: 'x'.repeat(2000) }]);
  const values = ['val:binary', 'val:text', 'val:large'];
  assert.deepStrictEqual(await lastFields(scene, scene.stream), ['prd', 'job', ...values, 'own']);
  await assert.rejects(dead.replay(letter), {
    name: 'RangeError',
    message: 'letter does not exist: it was replayed, dropped or trimmed',
  });
  assert.deepStrictEqual([await scene.length(), await dead.list()], [2, []]);
});

ours('dead letters can be consumed as any stream', async (_, scene) => {
  const deadLetter = scene.name('dead');
  await scene.play(
    () => {
      throw new scene.hfxbus.UnrecoverableError('no use');
    },
    { deadLetter },
  );
  const buried = [];
  await scene.play(async (job) => buried.push(job.id), { stream: deadLetter, group: 'undertaker' });
  await scene.add('job-1');
  await until(() => buried.length === 1);
  assert.deepStrictEqual(buried, ['job-1']);
});

ours('dead letters are on the node of their entries', async (_, scene) => {
  const servers = [await scene.server(), await scene.server()];
  const connection = scene.adopt(
    scene.hfxbus.ConnectionManager.nodes({ nodes: servers.map(({ options }) => ({ ...options, keyPrefix: 'node:' })) }),
  );
  const route = scene.hfxbus.DISTRIBUTED_ROUTING;
  const processor = () => {
    throw new scene.hfxbus.UnrecoverableError('no use');
  };
  await scene.play(processor, { connection, route, deadLetter: 'dead', concurrency: 10 });
  const producer = scene.producer(connection);
  const jobs = Array.from({ length: 20 }, () => producer.job());
  for (const job of jobs) await producer.send({ stream: scene.stream, job, route });
  const dead = new scene.hfxbus.DeadLetters(connection, 'dead');
  await until(async () => (await dead.list()).length === 20);
  const found = await dead.list();
  assert.deepStrictEqual(found.map(({ jobId }) => jobId).sort(), jobs.map(({ id }) => id).sort());
  assert.deepStrictEqual([...new Set(found.map(({ node }) => node))], [0, 1]);
  const pages = [];
  for (let after; ; after = pages.at(-1)) {
    const page = await dead.list({ count: 3, after });
    if (page.length === 0) break;
    pages.push(...page);
  }
  assert.deepStrictEqual(pages, found);
  for (const letter of found) await dead.drop(letter);
  assert.deepStrictEqual(await dead.list(), []);
});

ours('an entry that cannot be dead-lettered stays pending, and is dead-lettered when possible', async (_, scene) => {
  const deadLetter = scene.name('dead');
  await scene.redis.call('SET', keys.stream(deadLetter), 'in the way');
  const processor = () => {
    throw new scene.hfxbus.UnrecoverableError('no use');
  };
  const consumer = await scene.play(processor, { ...EAGER, deadLetter });
  const errors = scene.errors(consumer);
  const exhausted = [];
  consumer.on('exhausted', (entry) => exhausted.push(entry));
  await scene.add('job-1');
  await until(() => errors.length > 0);
  assert.deepStrictEqual([errors[0].code, await scene.pending(), exhausted], ['CONSUME_ERROR', 1, []]);
  await scene.redis.call('DEL', keys.stream(deadLetter));
  await until(() => exhausted.length === 1);
  const moved = await letters(scene, deadLetter);
  assert.deepStrictEqual([moved.map(({ jobId }) => jobId), await scene.pending()], [['job-1'], 0]);
});

ours('an entry that is not the dead letter of a job is not replayed', async (_, scene) => {
  const deadLetter = scene.name('dead');
  const found = new scene.hfxbus.DeadLetters(scene.connection, deadLetter);
  await scene.add('job-1', { stream: deadLetter });
  const [letter] = await found.list();
  await assert.rejects(found.replay(letter), { name: 'TypeError', message: /^letter must / });
  await assert.rejects(found.drop({ ...letter, node: 1 }), { name: 'RangeError', message: /^letter\.node must / });
  assert.strictEqual((await found.list()).length, 1);
});
