'use strict';

/* Ordered partitions while Redis refuses writes. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { stays, until } = require('../support/wait-until.js');

const LEASE = 400;
const OPTIONS = { claimInterval: 50, claimDeadline: 300, concurrency: 16 };

ours('owners keep their partitions while memory is full, and report it once', async (_, scene) => {
  const redis = await scene.server('--maxmemory-policy', 'noeviction');
  const consumer = scene.consumer(OPTIONS, scene.connect(redis.options));
  const errors = scene.errors(consumer);
  const owned = new Set();
  let revoked = 0;
  consumer.on('assigned', ({ partition }) => owned.add(partition));
  consumer.on('revoked', () => revoked++);
  consumer.process({ stream: scene.stream, partitions: 4, ordered: { lease: LEASE }, processor: () => {} });
  await consumer.play();
  await until(() => owned.size === 4);
  await redis.call('CONFIG', 'SET', 'maxmemory', '1');
  await until(() => errors.length > 0);
  await stays(() => revoked === 0 && errors.length === 1, 4 * LEASE);
  assert.match(errors[0].message, /OOM/);
  await redis.call('CONFIG', 'SET', 'maxmemory', '0');
  await stays(() => revoked === 0 && errors.length === 1, LEASE);
});
