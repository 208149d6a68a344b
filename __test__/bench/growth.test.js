'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { measureRun } = require('../../bench/growth/measurement.js');
const { keys } = require('../support/keys.js');
const { RedisCluster } = require('../support/redis-cluster.js');

test('a run on a Cluster counts the messages between its nodes, and sharded completions cause none', async () => {
  const cluster = await RedisCluster.start();
  try {
    const streams = await cluster.spread(3, 'growth', keys.stream);
    const wanted = { streams, processes: 1, inFlight: 12, jobs: 120, idle: 50 };
    const published = await measureRun(cluster, { ...wanted, completions: 'published' });
    assert.strictEqual(published.jobs, 120);
    // A node sends a message of PUBLISH to the two others.
    assert.ok(published.busMessages > 1.9 && published.busMessages < 2.1, `${published.busMessages} messages`);
    assert.ok(published.serverCpu > 0 && published.busiest >= 1, JSON.stringify(published));
    const sharded = await measureRun(cluster, { ...wanted, completions: 'sharded' });
    assert.strictEqual(sharded.busMessages, 0);
  } finally {
    cluster.kill();
  }
});
