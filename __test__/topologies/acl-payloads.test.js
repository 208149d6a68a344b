'use strict';

/* Payloads that leave with a send or a settlement, and users without a right that they need. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { Gate } = require('../support/latch.js');
const { until } = require('../support/wait-until.js');

/** A bus on a server of its own, whose user has every right but one. */
async function without(scene, right) {
  const redis = await scene.server();
  await redis.call('ACL', 'SETUSER', 'ann', 'on', '>secret', '~*', '&*', '+@all', `-${right}`);
  const connection = scene.connect({ ...redis.options, username: 'ann', password: 'secret' });
  return { redis, connection, all: scene.connect(redis.options) };
}

for (const right of ['set', 'xadd', 'exec']) {
  ours(`without the right to ${right.toUpperCase()} a send with set values is refused whole`, async (_, scene) => {
    const { redis, connection } = await without(scene, right);
    const producer = scene.producer(connection);
    const job = producer.job().set('inbound', 'Hello').set('other', 1);
    const code = right === 'exec' ? 'EXECABORT' : 'NOPERM';
    await assert.rejects(producer.send({ stream: scene.stream, job }), { code, command: right.toUpperCase() });
    const names = [keys.stream(scene.stream), ...['inbound', 'other'].map((key) => keys.payload(job.id, key))];
    assert.strictEqual(await redis.call('EXISTS', ...names), 0);
    await redis.call('ACL', 'SETUSER', 'ann', `+${right}`);
    await producer.send({ stream: scene.stream, job });
    assert.strictEqual(await redis.call('EXISTS', ...names), 3);
  });
}

for (const right of ['set', 'del', 'publish', 'exec']) {
  ours(
    `without the right to ${right.toUpperCase()} a settlement changes nothing, and is reported once`,
    async (_, scene) => {
      const { redis, connection, all } = await without(scene, right);
      const processor = async (job) => {
        const { inbound } = await job.get('inbound', false).del('inbound').pull();
        job.set('outbound', `${inbound} world!`);
      };
      const consumer = await scene.play(processor, { connection });
      const errors = scene.errors(consumer);
      const producer = scene.producer(all);
      const heard = await scene.hear(keys.channel(scene.stream, producer.id), redis);
      const job = producer.job().set('inbound', 'Hello');
      await producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
      await until(() => errors.length > 0);
      await consumer.pause();
      assert.deepStrictEqual(
        errors.map(({ code, command }) => [code, command]),
        [['REJECT_JOB_ERROR', right.toUpperCase()]],
      );
      const values = await redis.call('MGET', ...['inbound', 'outbound'].map((key) => keys.payload(job.id, key)));
      assert.deepStrictEqual([values, await scene.pending({ redis }), heard], [['"Hello"', null], 1, []]);
    },
  );
}

ours(
  'a payload key that Redis refuses fails its own job alone, also among jobs that settle together',
  async (_, scene) => {
    const { stream } = scene;
    const redis = await scene.server();
    const patterns = [`~${keys.stream('*')}`, `~${keys.payload('good*', '*')}`];
    await redis.call('ACL', 'SETUSER', 'ann', 'on', '>secret', ...patterns, '&*', '+@all');
    const connection = scene.connect({ ...redis.options, username: 'ann', password: 'secret' });
    const all = scene.connect(redis.options);
    const ids = Array.from({ length: 150 }, (_, at) => (at === 70 ? 'bad' : `good${at}`));
    const gate = new Gate();
    let running = 0;
    const processor = async (job) => {
      running++;
      await gate.opened;
      job.set('outbound', 1);
    };
    const consumer = await scene.play(processor, { connection, concurrency: ids.length });
    const errors = scene.errors(consumer);
    const producer = scene.producer(all);
    await producer.sendAll(ids.map((id) => ({ stream, job: producer.job(id) })));
    await until(() => running === ids.length);
    gate.open();
    await until(async () => errors.length > 0 && (await scene.pending({ redis })) === 1);
    await consumer.pause();
    assert.deepStrictEqual(
      errors.map(({ code, command, job }) => [code, command, job.id]),
      [['REJECT_JOB_ERROR', 'SET', 'bad']],
    );
    const written = await redis.call('EXISTS', ...ids.map((id) => keys.payload(id, 'outbound')));
    assert.strictEqual(written, 149);
  },
);
