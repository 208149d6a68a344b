'use strict';

/* Sends that wait for a connection for longer than commandTimeout. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

const OPTIONS = { commandTimeout: 150, retryStrategy: () => 20, maxRetriesPerRequest: null };

/** The ids of the jobs in a stream. */
async function jobsOf(redis, stream) {
  const entries = await redis.call('XRANGE', keys.stream(stream), '-', '+');
  return entries.map(([, fields]) => fields[fields.indexOf('job') + 1]);
}

ours('a send that timed out before it was written is not written later', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect({ ...redis.options, ...OPTIONS });
  const producer = scene.producer(connection);
  const send = (id, set = () => {}) => {
    const job = producer.job(id);
    set(job);
    return producer.send({ stream: scene.stream, job });
  };
  await send('first');
  redis.crash();
  await until(() => connection.status !== 'ready');
  const late = [send('late'), send('carries', (job) => job.set('key', 'x'.repeat(100_000)))];
  for (const one of late) await assert.rejects(one, { code: 'COMMAND_TIMEOUT' });
  await redis.start();
  await until(() => send('second').catch(() => null));
  const found = await jobsOf(redis, scene.stream);
  // The stream was lost with its server.
  assert.ok(!found.includes('late') && !found.includes('carries'), `${found}`);
  assert.ok(found.includes('second'));
  assert.deepStrictEqual(await redis.call('KEYS', '*:job:*'), []);
});

ours('a send that waits for a connection within commandTimeout is written', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect({ ...redis.options, ...OPTIONS, commandTimeout: 20_000 });
  const producer = scene.producer(connection);
  await producer.send({ stream: scene.stream, job: producer.job('first') });
  redis.crash();
  await until(() => connection.status !== 'ready');
  const waiting = producer.send({ stream: scene.stream, job: producer.job('waits') });
  await redis.start();
  await waiting;
  assert.deepStrictEqual(await jobsOf(redis, scene.stream), ['waits']);
});
