'use strict';

/* Ordered partitions while Redis refuses writes. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { OrderRecord, leaseKeys, playOrdered, sendOrdered } = require('../support/ordered.js');
const { stays, until } = require('../support/wait-until.js');

const LEASE = 400;
const NAMES = Array.from({ length: 10 }, (_, at) => `k${at}`);

/** A connection of a user without the right to a command, and the user's name. */
async function limited(scene, ...rules) {
  const username = scene.name('user');
  await scene.redis.call('ACL', 'SETUSER', username, 'on', '>secret', '~*', '&*', '+@all', ...rules);
  return { username, connection: scene.connect({ username, password: 'secret' }) };
}

/** The remaining times of the leases of a stream, in ms; -1 for one without an end. */
async function leaseTimes(scene) {
  const found = await leaseKeys(scene);
  return Promise.all(found.map((key) => scene.redis.call('PTTL', key)));
}

ours('owners keep their partitions while memory is full, and report it once', async (_, scene) => {
  const redis = await scene.server('--maxmemory-policy', 'noeviction');
  const connection = scene.connect(redis.options);
  const { consumer, owned, errors } = await playOrdered(scene, () => {}, { connection });
  let revoked = 0;
  consumer.on('revoked', () => revoked++);
  await until(() => owned.size === 4);
  await redis.call('CONFIG', 'SET', 'maxmemory', '1');
  await until(() => errors.length > 0);
  await stays(() => revoked === 0 && errors.length === 1, 4 * LEASE);
  assert.match(errors[0].message, /OOM/);
  await redis.call('CONFIG', 'SET', 'maxmemory', '0');
  await stays(() => revoked === 0 && errors.length === 1, LEASE);
});

ours('no partition moves while Redis lacks replicas, and the order is kept', async (_, scene) => {
  const redis = await scene.server();
  const order = new OrderRecord();
  const processor = async (job) => {
    order.begin(job);
    await redis.call('PING');
    order.end(job);
  };
  const play = () => playOrdered(scene, processor, { partitions: 16, connection: scene.connect(redis.options) });
  const first = await play();
  await until(() => first.owned.size === 16);
  const second = await play();
  const consumers = [first, second];
  const held = () => consumers.map(({ owned }) => [...owned.keys()].sort().join());
  const isShared = () => second.owned.size > 0 && first.owned.size + second.owned.size === 16;
  await until(isShared);
  const before = held();
  const connection = scene.connect(redis.options);
  await sendOrdered(scene, 200, NAMES, { partitions: 16, connection });
  await until(() => order.jobs > 20);
  const assigned = [];
  for (const { consumer } of consumers) consumer.on('assigned', ({ partition }) => assigned.push(partition));
  await redis.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
  await until(() => consumers.every(({ errors }) => errors.some(({ message }) => /NOREPLICAS/.test(message))));
  await stays(() => assigned.length === 0, 3 * LEASE);
  await redis.call('CONFIG', 'SET', 'min-replicas-to-write', '0');
  await until(isShared);
  assert.deepStrictEqual(held(), before, 'the same owners');
  await sendOrdered(scene, 200, NAMES, { from: 200, partitions: 16, connection });
  await until(() => order.jobs === 400);
  order.check();
});

ours('a consumer without the right to PEXPIRE owns nothing, and reports it once', async (_, scene) => {
  const { username, connection } = await limited(scene, '-pexpire');
  const { owned, errors } = await playOrdered(scene, () => {}, { connection, lease: 200 });
  await until(() => errors.length > 0);
  await stays(() => owned.size === 0 && errors.length === 1, 400);
  assert.strictEqual(errors[0].command, 'PEXPIRE');
  assert.match(errors[0].message, /no permissions|NOPERM/);
  await scene.redis.call('ACL', 'SETUSER', username, '+pexpire');
  await until(() => owned.size === 4);
  assert.ok((await leaseTimes(scene)).every((time) => time !== -1));
});

ours('an owner whose renewals are refused gives its partitions up, and another one has them', async (_, scene) => {
  const { username, connection } = await limited(scene);
  const order = new OrderRecord();
  const processor = (job) => {
    order.begin(job);
    order.end(job);
  };
  const first = await playOrdered(scene, processor, { connection });
  await until(() => first.owned.size === 4);
  await sendOrdered(scene, 100, NAMES);
  await scene.redis.call('ACL', 'SETUSER', username, '-pexpire');
  await until(() => first.errors.length > 0);
  await until(() => first.owned.size === 0, { timeout: 10 * LEASE });
  assert.strictEqual(first.errors[0].command, 'PEXPIRE');
  await first.consumer.pause();
  const second = await playOrdered(scene, processor);
  await until(() => second.owned.size === 4);
  await sendOrdered(scene, 100, NAMES, { from: 100 });
  await until(() => order.jobs === 200);
  order.check();
  assert.deepStrictEqual(second.errors, []);
});
