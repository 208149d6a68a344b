'use strict';

const assert = require('node:assert');
const { fix, ours } = require('../support/cases.js');
const { OK, reply } = require('../support/fake-redis.js');
const { keys } = require('../support/keys.js');
const { stays, until } = require('../support/wait-until.js');

/* Calls of a consumer that a pause, a stop, an abort or a lost connection overtakes. */

/** A consumer of a server of its own that does not answer for the time being. */
async function frozen(scene, processor) {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const consumer = scene.consumer({}, connection);
  consumer.process({ stream: scene.stream, fromId: '0', processor });
  // From here on there is a connection.
  await scene.producer(connection).job().set('a', 1).push();
  redis.freeze();
  return { redis, connection, consumer };
}

fix('a consumer whose bus is stopped during play() does not start', async (_, scene) => {
  const seen = [];
  const { redis, connection, consumer } = await frozen(scene, async (job) => seen.push(job.id));
  const refused = assert.rejects(consumer.play(), { code: 'CONNECTION_CLOSED' });
  const stopped = connection.stop();
  // A later request gets a later reply.
  await consumer.pause();
  redis.thaw();
  await Promise.all([refused, stopped]);
  await scene.add('job-1', { redis });
  await stays(() => seen.length === 0, 150);
  await consumer.play();
  await until(() => seen.length === 1);
});

ours('a signal that is aborted during play() prevents the start', async (_, scene) => {
  const seen = [];
  const { redis, consumer } = await frozen(scene, async (job) => seen.push(job.id));
  const ending = new AbortController();
  const refused = assert.rejects(consumer.play({ signal: ending.signal }), { message: 'enough' });
  ending.abort(new Error('enough'));
  await Promise.all([refused, consumer.pause()]);
  redis.thaw();
  await scene.add('job-1', { redis });
  await stays(() => seen.length === 0, 150);
  await consumer.play();
  await until(() => seen.length === 1);
});

fix('a consumer that is paused during play(), and then played, starts', async (_, scene) => {
  const seen = [];
  const consumer = scene.consumer({});
  consumer.process({ stream: scene.stream, processor: async (job) => seen.push(job.id) });
  const calls = [consumer.play(), consumer.pause(), consumer.play()];
  await Promise.all(calls);
  await scene.add('job-1');
  await until(() => seen.length === 1);
});

fix('a pending job.resolve() rejects when the bus is stopped', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  let settled;
  const resolving = new Promise((resolve) => {
    settled = resolve;
  });
  const consumer = scene.consumer({}, connection);
  consumer.process({
    stream: scene.stream,
    processor: async (job) => {
      redis.freeze();
      settled({ outcome: job.resolve() });
    },
  });
  await consumer.play();
  await scene.add('job-1', { redis });
  const { outcome } = await resolving;
  await connection.stop({ force: true });
  redis.thaw();
  await assert.rejects(outcome, { code: 'CONNECTION_CLOSED' });
});

fix('a claim cycle that waits for a slot opens no connection after stop()', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  let runs = 0;
  const consumer = scene.consumer({ claimInterval: 100, claimDeadline: 60000 }, connection);
  for (const stream of [scene.stream, scene.name('stream')]) {
    consumer.process({ stream, deadline: 0, processor: () => new Promise(() => runs++) });
  }
  await consumer.play();
  await scene.add('job-1', { redis });
  await until(() => runs === 1);
  const monitor = await scene.monitor(redis);
  await until(async () => (await monitor.about(scene.stream)).some(([name]) => name === 'XPENDING'));
  // It waits again before the next search.
  await connection.stop({ force: true });
  await monitor.clear();
  await stays(async () => (await monitor.commands()).length === 0, 350);
});

fix('an entry that is read from the history while it is claimed runs once', async (_, scene) => {
  const id = '5-1';
  const entry = [id, ['prd', 'nobody', 'job', 'job-1']];
  let claimer = null;
  let reader = null;
  const read = () => reader?.write(reply([[keys.stream(scene.stream), [entry]]]));
  const answers = {
    INFO: () => reply('loading:0\r\n'),
    XREVRANGE: () => reply([]),
    XPENDING: () => reply([[id, 'gone', 60000, 1]]),
    XCLAIM: (words, socket) => {
      if (words.includes('JUSTID') || claimer !== null) return reply([]);
      claimer = socket;
      read();
    },
    XREADGROUP: (words, socket) => {
      if (words.at(-1) === '0') {
        reader = socket;
        // Once it is being claimed, and so this consumer's.
        if (claimer !== null) read();
      } else if (words.at(-1) === id) {
        claimer.write(reply([entry]));
      }
    },
  };
  const redis = await scene.fake(([name, ...words], socket) => (answers[name] ?? (() => OK))(words, socket));
  const connection = scene.connect(redis.options);
  const seen = [];
  const consumer = scene.consumer({ concurrency: 9, claimInterval: 10, claimDeadline: 1000 }, connection);
  const processor = (job) => new Promise(() => seen.push(job.id));
  consumer.process({ stream: scene.stream, readFrom: '0', deadline: 0, processor });
  await consumer.play();
  await until(() => seen.length > 0);
  await stays(() => seen.length === 1, 100);
});
