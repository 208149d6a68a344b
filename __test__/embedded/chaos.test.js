'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { ConnectionManager, Consumer, Producer } = require('../../index.js');
const { until } = require('../support/wait-until.js');
const { serving } = require('./serving.js');

const COMMANDS = 60;

/** Returns the commands with a reply while connections are dropped, and the number that ran. */
async function fates(t, chaos) {
  const { connect } = await serving(t, { chaos });
  let client = connect();
  const attempt = async (...words) => {
    const reply = await client.call(...words).catch(() => undefined);
    if (reply === undefined) client = connect();
    return reply;
  };
  const answered = [];
  for (let at = 0; at < COMMANDS; at++) answered.push((await attempt('INCR', 'n')) !== undefined);
  const count = await until(() => attempt('GET', 'n'));
  return { answered, carriedOut: Number(count) };
}

/** Maximum time of a case on a busy machine, in ms. */
const LIMIT = 60000;

describe('chaos', { timeout: LIMIT }, () => {
  it('closes connections after a command ran, the same ones for the same seed', async (t) => {
    const chaos = { seed: 3, dropConnection: 0.3 };
    const first = await fates(t, chaos);
    const dropped = first.answered.filter((isAnswered) => !isAnswered).length;
    assert.ok(dropped > 5 && dropped < 40, `${dropped}`);
    assert.strictEqual(first.carriedOut, COMMANDS);
    assert.deepStrictEqual(await fates(t, chaos), first);
    assert.notDeepStrictEqual((await fates(t, { ...chaos, seed: 4 })).answered, first.answered);
  });

  it('delivers entries twice, so that a processor that is not idempotent is detected', async (t) => {
    const { redis } = await serving(t, { chaos: { seed: 1, duplicateDelivery: 0.5 } });
    const runs = await runsOf(redis, 100);
    const twice = [...runs.values()].filter((count) => count === 2).length;
    assert.strictEqual(runs.size, 100);
    assert.ok(twice > 25 && twice < 75, `${twice}`);
    assert.ok([...runs.values()].every((count) => count <= 2));
  });

  it('loses completions, so that a producer reaches its timeout', async (t) => {
    const { redis, client } = await serving(t, { chaos: { seed: 1, loseCompletion: 1 } });
    const connection = ConnectionManager.standalone(redis.url);
    const consumer = new Consumer(connection, { group: 'g' });
    consumer.process({ stream: 's', processor: async () => {} });
    await consumer.play();
    const producer = new Producer(connection);
    const job = await producer.send({ stream: 's', job: producer.job(), waitFor: ['g'] });
    await assert.rejects(job.finished(300), { code: 'FINISH_TIMEOUT' });
    assert.strictEqual((await client.call('XPENDING', 'hfxbus:str:s', 'hfxbus:csr:g'))[0], 0);
    await connection.stop();
  });

  it('delays replies', async (t) => {
    const { client } = await serving(t, { chaos: { seed: 1, delay: 40 } });
    const start = performance.now();
    for (let at = 0; at < 20; at++) await client.call('PING');
    assert.ok(performance.now() - start > 150);
  });

  it('is off by default', async (t) => {
    const { redis } = await serving(t, { seed: 5, chaos: { seed: 6 } });
    const runs = await runsOf(redis, 100);
    assert.deepStrictEqual([...runs.values()], Array(100).fill(1));
  });
});

/** Returns the number of runs of each job, after all have run and none is pending. */
async function runsOf(redis, jobs) {
  const connection = ConnectionManager.standalone(redis.url);
  const consumer = new Consumer(connection, { group: 'g', concurrency: 10, blockTimeout: 50 });
  const runs = new Map();
  consumer.process({ stream: 's', processor: async (job) => runs.set(job.id, (runs.get(job.id) ?? 0) + 1) });
  await consumer.play();
  const producer = new Producer(connection);
  await Promise.all(
    Array.from({ length: jobs }, (_, at) => producer.send({ stream: 's', job: producer.job(`job-${at}`) })),
  );
  const client = connection.getClient('looks');
  await until(async () => runs.size === jobs && (await client.xpending('hfxbus:str:s', 'hfxbus:csr:g'))[0] === 0);
  // A read that comes back empty has brought what was to be delivered again before.
  await producer.send({ stream: 's', job: producer.job('last') });
  await until(() => runs.has('last'));
  await until(async () => (await client.xpending('hfxbus:str:s', 'hfxbus:csr:g'))[0] === 0);
  await consumer.pause();
  await connection.stop();
  runs.delete('last');
  return runs;
}
