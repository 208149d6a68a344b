'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { ConnectionManager, Consumer } = require('../../index.js');
const { keys } = require('../support/keys.js');
const { until, stays } = require('../support/wait-until.js');
const { serving } = require('./serving.js');

const HOUR = 3_600_000;

/** Maximum time of a case on a busy machine, in ms. */
const LIMIT = 60000;

describe('a clock that is moved by hand', { timeout: LIMIT }, () => {
  it('stands still for keys and for new entries until it is advanced', async (t) => {
    const { redis, client } = await serving(t, { clock: 'manual' });
    await client.call('PSETEX', 'k', HOUR, 'v');
    const first = await client.call('XADD', 's', '*', 'a', '1');
    const second = await client.call('XADD', 's', '*', 'a', '1');
    assert.strictEqual(second, `${first.split('-')[0]}-1`);
    assert.strictEqual(await client.call('PTTL', 'k'), HOUR);
    redis.advance(HOUR);
    assert.strictEqual(await client.call('PTTL', 'k'), 0);
    redis.advance(1);
    assert.strictEqual(await client.call('GET', 'k'), null);
    const third = await client.call('XADD', 's', '*', 'a', '1');
    assert.strictEqual(Number(third.split('-')[0]) - Number(first.split('-')[0]), HOUR + 1);
  });

  it('makes pending entries old enough to be claimed, without waiting', async (t) => {
    const { redis, client } = await serving(t, { clock: 'manual' });
    const [key, group] = [keys.stream('s'), keys.group('g')];
    await client.call('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM');
    await client.call('XADD', key, '*', 'prd', 'nobody', 'job', 'job-1');
    await client.call('XREADGROUP', 'GROUP', group, 'gone', 'STREAMS', key, '>');

    const connection = ConnectionManager.standalone(redis.url);
    const consumer = new Consumer(connection, { group: 'g', claimInterval: 20, claimDeadline: HOUR });
    const ran = [];
    consumer.process({ stream: 's', processor: async (job) => ran.push(job.id) });
    await consumer.play();
    await stays(() => ran.length === 0, 150);
    redis.advance(HOUR);
    await until(() => ran.length === 1);
    assert.deepStrictEqual(ran, ['job-1']);
    await until(async () => (await client.call('XPENDING', key, group))[0] === 0);
    await connection.stop();
  });

  it('ends reads whose time is over, and does not affect clients that wait by a real clock', async (t) => {
    const { redis, client, connect } = await serving(t, { clock: 'manual' });
    const waiting = connect().call('XREAD', 'BLOCK', `${HOUR}`, 'STREAMS', 's', '$');
    await until(async () => /flags=b/.test(await client.call('CLIENT', 'LIST')));
    redis.advance(HOUR);
    assert.strictEqual(await waiting, null);
    assert.strictEqual(await client.call('XREAD', 'BLOCK', '20', 'STREAMS', 's', '$'), null);
  });

  it('rejects an advance if the clock is real', async (t) => {
    const { redis } = await serving(t);
    assert.throws(() => redis.advance(5), { name: 'TypeError', message: /clock: 'manual'/ });
    assert.throws(() => redis.advance(-5), { name: 'RangeError', message: /^ms must/ });
  });
});
